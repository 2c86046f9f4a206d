//! A thread with a runtime of its own, stopped by dropping its handle.
//!
//! `ldk-node` blocks the thread that builds and starts it, which may be the only one of the caller's
//! runtime; whatever that node talks to has to run elsewhere.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Runs one future until it ends or the worker is dropped.
///
/// The drop returns once the thread is gone, and with it every task and socket of its runtime.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread and calls `prepare` there, inside its runtime. Returns when that is done,
    /// with its error if it had one.
    pub(crate) fn spawn<P, F>(name: &str, prepare: P) -> io::Result<Self>
    where
        P: FnOnce() -> io::Result<F> + Send + 'static,
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let (report, prepared) = mpsc::channel();
        let run = move || match begin(prepare) {
            Ok((runtime, work)) => {
                // Nobody waits for a report when the caller has panicked; the stop follows then.
                let _ = report.send(Ok(()));
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = work => {}
                    }
                });
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        let worker = Self { stop: Some(stop), thread: Some(thread) };
        prepared.recv().map_err(|_| io::Error::other("the thread ended before it was ready"))??;
        Ok(worker)
    }
}

fn begin<P, F>(prepare: P) -> io::Result<(Runtime, F)>
where
    P: FnOnce() -> io::Result<F>,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let work = {
        let _inside = runtime.enter();
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
                tracing::error!(thread = name, "a thread of the regtest harness panicked");
            }
        }
    }
}
