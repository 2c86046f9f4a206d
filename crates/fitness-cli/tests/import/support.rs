//! Helpers of the import tests: a temporary store, and input files.

use std::path::{Path, PathBuf};
use std::process::Output;

use fitness_core::NodeId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{SECOND, ldk_fitness, stderr};

pub(crate) const OBSERVER: NodeId = NodeId([2; 33]);
/// The time of the fixtures: 2026-03-01T12:00:00Z.
pub(crate) const AT: u64 = 1_772_366_400 * SECOND;
pub(crate) const AT_TEXT: &str = "2026-03-01T12:00:00Z";
pub(crate) const ACME: &str = "026cec09ccba4925759d56ced2b933f2300415d5eacb899de66f531609082e664c";
pub(crate) const BOLT: &str = "03371d7b94214b5514d8a5e39b465adc4872959718c00ee25b6916649b1327b153";
pub(crate) const CAROL: &str = "024541ba546c2b7dfd0266154eeba4e6bb8d000224c1da3853ac1ea646d199adc3";
pub(crate) const DAVE: &str = "0275290da9a125ed01c807ec55399418d7e10a22fd2b92c5d059f8b06be5d3c2ec";
pub(crate) const ERIN: &str = "03bfaca8d9d73ffb2e3d6e26f3a40f01ef314e3e37e02c01d3735e7982f26b9154";
pub(crate) const ZOE: &str = "035b726ea7ff9435c07ab9a00fd3a7593c5c6ee350872284ae43eefd75ec9d1f77";

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn peers_file() -> PathBuf {
    fixture("lncli-listpeers.json")
}

pub(crate) fn channels_file() -> PathBuf {
    fixture("lncli-listchannels.json")
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("readable file")).expect("a JSON document")
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime starts").block_on(future)
}

/// A temporary directory, and the path of a store in it that an import may create.
pub(crate) struct TestStore {
    pub(crate) directory: TempDir,
    pub(crate) path: PathBuf,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("fitness.redb");
        Self { directory, path }
    }

    /// Writes a file to the directory and returns its path.
    pub(crate) fn write_file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).expect("file is written");
        path
    }

    pub(crate) fn import_at(&self, at: &str, files: &[&Path], args: &[&str]) -> Output {
        let mut command = ldk_fitness();
        command.args(["import", "lnd"]).args(files).arg("--store").arg(&self.path);
        command
            .args(["--observer", &OBSERVER.to_string(), "--at", at])
            .args(args)
            .output()
            .expect("program runs")
    }

    pub(crate) fn import(&self, files: &[&Path], args: &[&str]) -> Output {
        self.import_at(AT_TEXT, files, args)
    }

    pub(crate) fn import_json(&self, files: &[&Path]) -> Value {
        let output = self.import(files, &["--json"]);
        assert_eq!(stderr(&output), "");
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice(&output.stdout).expect("a JSON document")
    }

    /// Returns the JSON of `report`.
    pub(crate) fn report(&self, args: &[&str]) -> Value {
        let output = ldk_fitness().arg("report").arg(&self.path).arg("--json").args(args).output();
        let output = output.expect("program runs");
        assert_eq!(stderr(&output), "");
        serde_json::from_slice(&output.stdout).expect("a JSON document")
    }
}

/// Returns the entry of a list that has this value in a field.
pub(crate) fn entry<'a>(document: &'a Value, list: &str, field: &str, value: &str) -> &'a Value {
    let entries = document[list].as_array().expect("a list");
    let found = entries.iter().find(|entry| entry[field] == value);
    found.unwrap_or_else(|| panic!("no {field} {value} in {list}"))
}

/// Returns a list of channels with one peer, funded by the outputs 0, 1, … of one transaction, with these
/// lifetimes and uptimes.
pub(crate) fn channels_json(node_id: &str, txid: u8, lifetimes_and_uptimes: &[(&str, &str)]) -> String {
    let channel = |(vout, (lifetime, uptime)): (usize, &(&str, &str))| {
        json!({
            "remote_pubkey": node_id,
            "channel_point": format!("{}:{vout}", format!("{txid:02x}").repeat(32)),
            "lifetime": lifetime,
            "uptime": uptime,
        })
    };
    json!({ "channels": lifetimes_and_uptimes.iter().enumerate().map(channel).collect::<Vec<_>>() })
        .to_string()
}
