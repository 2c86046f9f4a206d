//! A `KVStore` that counts the calls to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use lightning::io::Error;
use lightning::util::persist::KVStore;

/// The calls since the last [`Counter::take`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Reads of values and of lists.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) removals: u64,
    /// Bytes of the values that were written.
    pub(crate) bytes: u64,
    /// Calls that began while no other call was in flight. Total latency is this times the latency of one call.
    pub(crate) round_trips: u64,
}

#[derive(Default)]
struct State {
    counts: Counts,
    in_flight: usize,
}

/// A shared counter: clones count together.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<Mutex<State>>);

impl Counter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while counting")
    }

    /// Returns the counts and resets them.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.state().counts)
    }

    fn begin(&self, count: impl FnOnce(&mut Counts)) -> InFlight {
        let mut state = self.state();
        state.counts.round_trips += u64::from(state.in_flight == 0);
        state.in_flight += 1;
        count(&mut state.counts);
        InFlight(self.clone())
    }
}

struct InFlight(Counter);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

pub(crate) struct CountingKvStore<K> {
    pub(crate) inner: K,
    pub(crate) counter: Counter,
}

type Response<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

fn counted<T: 'static>(response: Response<T>, call: InFlight) -> Response<T> {
    Box::pin(async move {
        let result = response.await;
        drop(call);
        result
    })
}

impl<K: KVStore> KVStore for CountingKvStore<K> {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Response<Vec<u8>> {
        let call = self.counter.begin(|counts| counts.reads += 1);
        counted(self.inner.read(primary, secondary, key), call)
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Response<()> {
        let call = self.counter.begin(|counts| {
            counts.writes += 1;
            counts.bytes += value.len() as u64;
        });
        counted(self.inner.write(primary, secondary, key, value), call)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Response<()> {
        let call = self.counter.begin(|counts| counts.removals += 1);
        counted(self.inner.remove(primary, secondary, key, lazy), call)
    }

    fn list(&self, primary: &str, secondary: &str) -> Response<Vec<String>> {
        let call = self.counter.begin(|counts| counts.reads += 1);
        counted(self.inner.list(primary, secondary), call)
    }
}
