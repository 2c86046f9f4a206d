//! A `KVStore` whose calls are counted.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use lightning::io::Error;
use lightning::util::persist::KVStore;

/// What was asked of a store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Lists included.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) removals: u64,
    /// Of the values that were written.
    pub(crate) bytes: u64,
    /// How often a call was begun while none was under way: what a wire's latency is multiplied by.
    pub(crate) rounds: u64,
}

#[derive(Default)]
struct State {
    counts: Counts,
    under_way: usize,
}

/// Clones of one count.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<Mutex<State>>);

impl Counter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics")
    }

    /// What was counted since it was last asked.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.state().counts)
    }

    fn begin(&self, count: impl FnOnce(&mut Counts)) -> UnderWay {
        let mut state = self.state();
        state.counts.rounds += u64::from(state.under_way == 0);
        state.under_way += 1;
        count(&mut state.counts);
        UnderWay(self.clone())
    }
}

struct UnderWay(Counter);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

pub(crate) struct Counted<K> {
    pub(crate) keys: K,
    pub(crate) counter: Counter,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

fn until_answered<T: 'static>(answer: Answer<T>, call: UnderWay) -> Answer<T> {
    Box::pin(async move {
        let answer = answer.await;
        drop(call);
        answer
    })
}

impl<K: KVStore> KVStore for Counted<K> {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Answer<Vec<u8>> {
        let call = self.counter.begin(|counts| counts.reads += 1);
        until_answered(self.keys.read(primary, secondary, key), call)
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        let call = self.counter.begin(|counts| {
            counts.writes += 1;
            counts.bytes += value.len() as u64;
        });
        until_answered(self.keys.write(primary, secondary, key, value), call)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Answer<()> {
        let call = self.counter.begin(|counts| counts.removals += 1);
        until_answered(self.keys.remove(primary, secondary, key, lazy), call)
    }

    fn list(&self, primary: &str, secondary: &str) -> Answer<Vec<String>> {
        let call = self.counter.begin(|counts| counts.reads += 1);
        until_answered(self.keys.list(primary, secondary), call)
    }
}
