//! Makes commits take effect in the order in which they were begun, although each runs on a thread of its
//! own and its caller may have stopped waiting for it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// Assigns turns to commits.
#[derive(Debug, Default)]
pub(crate) struct CommitOrder {
    last: Mutex<Option<Earlier>>,
}

/// An earlier turn. It ends when its sender is dropped. A turn that is dropped before it has come sends the
/// turn that it was waiting for.
#[derive(Debug)]
struct Earlier(Receiver<Self>);

/// Permission to proceed once all earlier turns have ended. Dropping it ends the turn.
#[derive(Debug)]
pub(crate) struct Turn {
    earlier: Option<Earlier>,
    ended: Sender<Earlier>,
}

impl CommitOrder {
    /// Calls `begin` with the next turn.
    ///
    /// `begin` is called under a lock and should only pass the turn to a thread.
    pub(crate) fn begin<T>(&self, begin: impl FnOnce(Turn) -> T) -> T {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (ended, receiver) = channel();
        let turn = Turn { earlier: last.replace(Earlier(receiver)), ended };
        begin(turn)
    }
}

impl Turn {
    /// Waits until every earlier turn has ended.
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
            // Fails if no later turn is waiting.
            let _ = self.ended.send(earlier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::TryRecvError;
    use std::thread;

    #[test]
    fn turns_come_in_the_order_in_which_they_began() {
        let order = CommitOrder::default();
        let finished = Arc::new(Mutex::new(Vec::new()));
        let mut turns: Vec<(u32, Turn)> = (0..8).map(|number| (number, order.begin(|turn| turn))).collect();
        // Some turns are dropped, which must not let a later turn pass an earlier one.
        turns.retain(|(number, _)| number % 3 != 1);
        let threads: Vec<_> = turns
            .into_iter()
            .rev()
            .map(|(number, mut turn)| {
                let finished = Arc::clone(&finished);
                thread::spawn(move || {
                    turn.wait();
                    finished.lock().unwrap().push(number);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*finished.lock().unwrap(), [0, 2, 3, 5, 6]);
    }

    #[test]
    fn dropped_turn_does_not_let_the_next_one_pass_the_one_before() {
        let order = CommitOrder::default();
        let first = order.begin(|turn| turn);
        drop(order.begin(|turn| turn));
        let mut third = order.begin(|turn| turn);
        // The third turn waits for the first one: the dropped turn has passed it on.
        let Some(Earlier(second)) = third.earlier.take() else { panic!("the third turn waits") };
        let Earlier(first_ended) = second.recv().expect("the dropped turn passes on what it waited for");
        assert_eq!(
            first_ended.try_recv().map(drop),
            Err(TryRecvError::Empty),
            "the first turn has not ended"
        );
        drop(first);
        assert_eq!(first_ended.try_recv().map(drop), Err(TryRecvError::Disconnected));
    }
}
