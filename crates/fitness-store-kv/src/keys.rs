//! The underlying `KVStore` behind an object-safe trait, and the values of one observer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use fitness_core::NodeId;
use fitness_store::StoreError;
use lightning::io::{Error, ErrorKind};
use lightning::util::persist::{KVStore, KVStoreSync};

/// The primary namespace of all values.
pub(crate) const PRIMARY: &str = "ldk_fitness";
/// The secondary namespace with the root of each observer.
pub(crate) const ROOTS: &str = "observers";

pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// The operations of a `KVStore` in one primary namespace.
pub(crate) trait ObjectSafeKvStore: Send + Sync + 'static {
    fn read(&self, secondary: &str, key: &str) -> Pending<Vec<u8>>;
    fn write(&self, secondary: &str, key: &str, value: Vec<u8>) -> Pending<()>;
    fn remove(&self, secondary: &str, key: &str) -> Pending<()>;
    fn list(&self, secondary: &str) -> Pending<Vec<String>>;
}

/// An asynchronous store.
pub(crate) struct AsyncKvStore<K: ?Sized>(pub(crate) Arc<K>);

impl<K: KVStore + Send + Sync + ?Sized + 'static> ObjectSafeKvStore for AsyncKvStore<K> {
    fn read(&self, secondary: &str, key: &str) -> Pending<Vec<u8>> {
        self.0.read(PRIMARY, secondary, key)
    }

    fn write(&self, secondary: &str, key: &str, value: Vec<u8>) -> Pending<()> {
        self.0.write(PRIMARY, secondary, key, value)
    }

    fn remove(&self, secondary: &str, key: &str) -> Pending<()> {
        // Lazy: a removed value that reappears is ignored and removed again.
        self.0.remove(PRIMARY, secondary, key, true)
    }

    fn list(&self, secondary: &str) -> Pending<Vec<String>> {
        self.0.list(PRIMARY, secondary)
    }
}

/// A synchronous store: each call runs on a thread that may block.
pub(crate) struct BlockingKvStore<K: ?Sized>(pub(crate) Arc<K>);

impl<K: KVStoreSync + Send + Sync + ?Sized + 'static> ObjectSafeKvStore for BlockingKvStore<K> {
    fn read(&self, secondary: &str, key: &str) -> Pending<Vec<u8>> {
        let (kv, secondary, key) = (Arc::clone(&self.0), secondary.to_owned(), key.to_owned());
        Box::pin(blocking::unblock(move || kv.read(PRIMARY, &secondary, &key)))
    }

    fn write(&self, secondary: &str, key: &str, value: Vec<u8>) -> Pending<()> {
        let (kv, secondary, key) = (Arc::clone(&self.0), secondary.to_owned(), key.to_owned());
        Box::pin(blocking::unblock(move || kv.write(PRIMARY, &secondary, &key, value)))
    }

    fn remove(&self, secondary: &str, key: &str) -> Pending<()> {
        let (kv, secondary, key) = (Arc::clone(&self.0), secondary.to_owned(), key.to_owned());
        Box::pin(blocking::unblock(move || kv.remove(PRIMARY, &secondary, &key, true)))
    }

    fn list(&self, secondary: &str) -> Pending<Vec<String>> {
        let (kv, secondary) = (Arc::clone(&self.0), secondary.to_owned());
        Box::pin(blocking::unblock(move || kv.list(PRIMARY, &secondary)))
    }
}

/// Runs all futures concurrently; returns the results in the order of the futures.
pub(crate) async fn join_all<T>(mut pending: Vec<Pending<T>>) -> Vec<Result<T, Error>> {
    let mut done: Vec<Option<Result<T, Error>>> = pending.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_pending = false;
        for (future, done) in pending.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(result) => *done = Some(result),
                Poll::Pending => is_pending = true,
            }
        }
        if is_pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// The values of one observer.
#[derive(Clone)]
pub(crate) struct Values {
    pub(crate) kv: Arc<dyn ObjectSafeKvStore>,
    pub(crate) observer: NodeId,
    /// The secondary namespace: the observer's id.
    pub(crate) namespace: Arc<str>,
    /// The name of the store in errors.
    pub(crate) location: Arc<str>,
}

impl Values {
    pub(crate) fn new(kv: Arc<dyn ObjectSafeKvStore>, observer: NodeId, location: Arc<str>) -> Self {
        Self { kv, observer, namespace: observer.to_string().into(), location }
    }

    /// Returns the value of a key, if there is one.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.found(self.kv.read(&self.namespace, key).await)
    }

    /// Returns the values of several keys, which are read concurrently.
    pub(crate) async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let pending = keys.iter().map(|key| self.kv.read(&self.namespace, key)).collect();
        join_all(pending).await.into_iter().map(|read| self.found(read)).collect()
    }

    pub(crate) async fn root(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.found(self.kv.read(ROOTS, &self.namespace).await)
    }

    pub(crate) async fn put_root(&self, value: Vec<u8>) -> Result<(), StoreError> {
        let written = self.kv.write(ROOTS, &self.namespace, value).await;
        written.map_err(|error| self.failed("write the root of the observer", error))
    }

    pub(crate) async fn put(
        &self,
        operation: &'static str,
        key: &str,
        value: Vec<u8>,
    ) -> Result<(), StoreError> {
        let written = self.kv.write(&self.namespace, key, value).await;
        written.map_err(|error| self.failed(operation, error))
    }

    /// Writes several values concurrently. After an error, any of them may have been written.
    pub(crate) async fn put_all(&self, values: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        let write = |(key, value): (String, _)| self.kv.write(&self.namespace, &key, value);
        let written = join_all(values.into_iter().map(write).collect()).await;
        let all: Result<(), Error> = written.into_iter().collect();
        all.map_err(|error| self.failed("write a page", error))
    }

    /// Removes several values concurrently; returns the keys of failed removals.
    pub(crate) async fn remove_all(&self, keys: Vec<String>) -> Vec<String> {
        let pending = keys.iter().map(|key| self.kv.remove(&self.namespace, key)).collect();
        let removed = join_all(pending).await;
        keys.into_iter().zip(removed).filter(|(_, removed)| removed.is_err()).map(|(key, _)| key).collect()
    }

    pub(crate) async fn list(&self) -> Result<Vec<String>, StoreError> {
        self.kv.list(&self.namespace).await.map_err(|error| self.failed("list the keys", error))
    }

    fn found(&self, read: Result<Vec<u8>, Error>) -> Result<Option<Vec<u8>>, StoreError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read a value", error)),
        }
    }

    fn failed(&self, operation: &'static str, error: Error) -> StoreError {
        let location = format!("{} under {PRIMARY}/{}", self.location, self.namespace);
        StoreError::Backend { operation, location, source: error.into() }
    }

    pub(crate) fn corrupt(&self, key: &str, reason: &'static str) -> StoreError {
        StoreError::Corrupt {
            item: self.name(key),
            location: self.location.to_string(),
            source: reason.into(),
        }
    }

    /// Returns the name of a value in errors: its namespaces and key.
    pub(crate) fn name(&self, key: &str) -> String {
        if key == ROOTS {
            format!("the value {PRIMARY}/{ROOTS}/{}", self.namespace)
        } else {
            format!("the value {PRIMARY}/{}/{key}", self.namespace)
        }
    }

    pub(crate) fn locked(&self) -> StoreError {
        StoreError::Locked { location: format!("{} under {PRIMARY}/{}", self.location, self.namespace) }
    }
}
