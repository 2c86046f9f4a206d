//! A thread with its own runtime, which is stopped by dropping its handle.
//!
//! Building and starting an `ldk-node` blocks the calling thread, which may be the only thread of the
//! caller's runtime. The services that the node connects to therefore need threads of their own.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Runs one future until it ends or the worker is dropped.
///
/// Dropping the worker waits until the thread has ended, including all tasks and sockets of its runtime.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread and calls `prepare` on it, inside its runtime. Returns when `prepare` has
    /// returned, with its error if it failed.
    pub(crate) fn spawn<P, F>(name: &str, prepare: P) -> io::Result<Self>
    where
        P: FnOnce() -> io::Result<F> + Send + 'static,
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let (ready, prepared) = mpsc::channel();
        let run = move || match start(prepare) {
            Ok((runtime, work)) => {
                // Fails only if the caller has panicked, which also stops this thread.
                let _ = ready.send(Ok(()));
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = work => {}
                    }
                });
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        let worker = Self { stop: Some(stop), thread: Some(thread) };
        prepared.recv().map_err(|_| io::Error::other("the thread panicked before it was ready"))??;
        Ok(worker)
    }
}

fn start<P, F>(prepare: P) -> io::Result<(Runtime, F)>
where
    P: FnOnce() -> io::Result<F>,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let work = {
        let _guard = runtime.enter();
        prepare()?
    };
    Ok((runtime, work))
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(thread = name, "regtest thread panicked");
            }
        }
    }
}
