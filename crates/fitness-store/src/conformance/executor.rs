//! The smallest executor there is, for stores that need no runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future on this thread until it is ready, and sleeps in between.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // A wake-up before this leaves a token, so none is missed.
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_wake_up_from_another_thread_is_heard() {
        #[derive(Default)]
        struct Signal {
            done: bool,
            waker: Option<Waker>,
        }
        let signal = Arc::new(Mutex::new(Signal::default()));
        let set = Arc::clone(&signal);
        let setter = thread::spawn(move || {
            loop {
                let mut signal = set.lock().unwrap();
                if let Some(waker) = signal.waker.take() {
                    signal.done = true;
                    return waker.wake();
                }
                drop(signal);
                thread::yield_now();
            }
        });
        block_on(std::future::poll_fn(|context| {
            let mut signal = signal.lock().unwrap();
            signal.waker = Some(context.waker().clone());
            if signal.done { Poll::Ready(()) } else { Poll::Pending }
        }));
        setter.join().unwrap();
    }
}
