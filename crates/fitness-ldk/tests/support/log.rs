//! Collects what LDK logs.

use std::sync::Mutex;

use lightning::util::logger::Record;

#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<(&'static str, String)>>);

impl Log {
    pub(crate) fn record(&self, record: &Record<'_>) {
        tracing::debug!(target: "ldk", module = record.module_path, "{}", record.args);
        self.0.lock().unwrap().push((record.module_path, record.args.to_string()));
    }

    /// Returns whether a module has logged a message with this beginning.
    pub(crate) fn contains(&self, module: &str, beginning: &str) -> bool {
        self.0.lock().unwrap().iter().any(|(path, line)| *path == module && line.starts_with(beginning))
    }
}
