//! One at a time, in the order of asking: a queue that futures stand in.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Lets one through at a time.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// Whoever is first has the turn.
    waiting: VecDeque<(u64, Option<Waker>)>,
}

/// A place in the queue. Whoever drops it leaves the queue.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    gate: &'a Gate,
    ticket: u64,
}

impl Gate {
    /// Waits for the turn. The place in the queue is taken when this is first polled.
    pub(crate) async fn enter(&self) -> Turn<'_> {
        let turn = {
            let mut queue = self.lock();
            let ticket = queue.next;
            queue.next += 1;
            queue.waiting.push_back((ticket, None));
            Turn { gate: self, ticket }
        };
        poll_fn(|context| {
            let mut queue = self.lock();
            if queue.waiting.front().is_some_and(|(first, _)| *first == turn.ticket) {
                return Poll::Ready(());
            }
            if let Some((_, waker)) = queue.waiting.iter_mut().find(|(ticket, _)| *ticket == turn.ticket) {
                *waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
        turn
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let next = {
            let mut queue = self.gate.lock();
            queue.waiting.retain(|(ticket, _)| *ticket != self.ticket);
            queue.waiting.front_mut().and_then(|(_, waker)| waker.take())
        };
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Context;

    #[test]
    fn turns_come_in_the_order_of_asking_and_a_dropped_place_is_skipped() {
        let gate = Gate::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(gate.enter());
        let Poll::Ready(turn) = first.as_mut().poll(&mut context) else { panic!("nobody is before it") };
        let mut given_up = Box::pin(gate.enter());
        let mut second = pin!(gate.enter());
        assert!(given_up.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(given_up);
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(turn);
        assert!(second.as_mut().poll(&mut context).is_ready());
    }
}
