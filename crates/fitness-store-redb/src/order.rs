//! Commits take effect in the order in which they were begun, although each runs on a thread of
//! its own, and although whoever began one may have stopped waiting for it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// Hands out turns.
#[derive(Debug, Default)]
pub(crate) struct Order {
    last: Mutex<Option<Earlier>>,
}

/// A turn is over when its sender is gone. One that was given up before it came sends the turn
/// that it would have waited for.
#[derive(Debug)]
struct Earlier(Receiver<Self>);

/// The right to go once all earlier turns are over. It is over when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    earlier: Option<Earlier>,
    over: Sender<Earlier>,
}

impl Order {
    /// Begins a task with its turn, before any later call does.
    ///
    /// `begin` is called under a lock and should do no more than hand the turn to a thread.
    pub(crate) fn begin<T>(&self, begin: impl FnOnce(Turn) -> T) -> T {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (over, mine) = channel();
        let turn = Turn { earlier: last.replace(Earlier(mine)), over };
        begin(turn)
    }
}

impl Turn {
    /// Waits until every earlier turn is over.
    pub(crate) fn wait(&mut self) {
        let mut earlier = self.earlier.take();
        while let Some(Earlier(turn)) = earlier {
            earlier = turn.recv().ok();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(earlier) = self.earlier.take() {
            // Nobody may be waiting, which is no concern of ours.
            let _ = self.over.send(earlier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn turns_come_in_the_order_in_which_they_were_begun() {
        let order = Order::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut turns: Vec<(u32, Turn)> = (0..8).map(|number| (number, order.begin(|turn| turn))).collect();
        // Some are given up; that lets no later one pass an earlier one.
        turns.retain(|(number, _)| number % 3 != 1);
        let threads: Vec<_> = turns
            .into_iter()
            .rev()
            .map(|(number, mut turn)| {
                let seen = Arc::clone(&seen);
                thread::spawn(move || {
                    turn.wait();
                    seen.lock().unwrap().push(number);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*seen.lock().unwrap(), [0, 2, 3, 5, 6]);
    }

    #[test]
    fn a_turn_that_is_given_up_does_not_let_the_next_one_pass_the_one_before() {
        let order = Order::default();
        let first = order.begin(|turn| turn);
        drop(order.begin(|turn| turn));
        let mut third = order.begin(|turn| turn);
        let waiting = thread::spawn(move || third.wait());
        thread::sleep(std::time::Duration::from_millis(20));
        assert!(!waiting.is_finished());
        drop(first);
        waiting.join().unwrap();
    }
}
