//! A minimal executor, for stores that need no runtime.

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

/// Runs a future to completion on this thread, parking the thread while the future is pending.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // A wake-up that came before this call makes `park` return immediately, so none is lost.
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn future_is_polled_again_when_woken_from_another_thread() {
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
