//! A fair queue for futures: one at a time, in the order of their first poll.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Gives turns, one at a time.
#[derive(Debug, Default)]
pub(crate) struct TurnQueue {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// The first one has the turn.
    waiting: VecDeque<(u64, Option<Waker>)>,
}

/// A place in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    queue: &'a TurnQueue,
    ticket: u64,
}

impl TurnQueue {
    /// Waits for the turn. The first poll takes the place in the queue.
    pub(crate) async fn enter(&self) -> Turn<'_> {
        let turn = {
            let mut queue = self.lock();
            let ticket = queue.next;
            queue.next += 1;
            queue.waiting.push_back((ticket, None));
            Turn { queue: self, ticket }
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
            let mut queue = self.queue.lock();
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
    fn turns_come_in_order_and_dropped_places_are_skipped() {
        let queue = TurnQueue::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(queue.enter());
        let Poll::Ready(turn) = first.as_mut().poll(&mut context) else { panic!("the first has the turn") };
        let mut dropped = Box::pin(queue.enter());
        let mut second = pin!(queue.enter());
        assert!(dropped.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(dropped);
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(turn);
        assert!(second.as_mut().poll(&mut context).is_ready());
    }
}
