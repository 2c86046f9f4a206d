//! A copy of what LDK logs.

use std::sync::Mutex;

use lightning::util::logger::Record;

#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<(&'static str, String)>>);

impl Log {
    pub(crate) fn keep(&self, record: &Record<'_>) {
        tracing::debug!(target: "ldk", module = record.module_path, "{}", record.args);
        self.0.lock().unwrap().push((record.module_path, record.args.to_string()));
    }

    /// Whether there is a line of a module that begins so.
    pub(crate) fn has_said(&self, module: &str, beginning: &str) -> bool {
        self.0.lock().unwrap().iter().any(|(path, line)| *path == module && line.starts_with(beginning))
    }
}
