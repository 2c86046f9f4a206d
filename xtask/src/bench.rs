//! Benchmarks as one table: figure, measured, what it is held against, ratio, bound.

use std::fs;
use std::path::PathBuf;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;

use crate::run::{cargo, output, root, run as run_command};

/// Where the benches are.
const BENCHES: &[(&str, &str)] =
    &[("fitness-core", "tracker"), ("fitness-actor", "handle"), ("fitness-store-redb", "redb")];

pub(crate) fn run(quick: bool) -> Result<(), String> {
    for (package, bench) in BENCHES {
        let mut args = vec!["bench", "--package", package, "--bench", bench, "--"];
        if quick {
            args.extend(["--warm-up-time", "0.5", "--measurement-time", "1"]);
        }
        run_command(cargo(&args))?;
    }
    let memory = output(cargo(&["bench", "--package", "fitness-core", "--bench", "memory"]))?;
    let table = table(&Measured { criterion: target()?.join("criterion"), memory })?;
    println!("\nMedians of one run on this machine; ratios are what counts.\n\n{table}");
    Ok(())
}

fn target() -> Result<PathBuf, String> {
    let metadata = output(cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|err| format!("cargo metadata: {err}"))?;
    let directory =
        metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
    Ok(root().join(directory))
}

/// What the benches left behind.
struct Measured {
    criterion: PathBuf,
    memory: String,
}

impl Measured {
    /// Median nanoseconds of one element of a benchmark.
    fn nanos(&self, benchmark: &str) -> Result<f64, String> {
        let directory = self.criterion.join(benchmark).join("new");
        let estimates = json(&directory.join("estimates.json"))?;
        let described = json(&directory.join("benchmark.json"))?;
        let median = estimates["median"]["point_estimate"]
            .as_f64()
            .ok_or_else(|| format!("{benchmark}: no median in estimates.json"))?;
        Ok(median / described["throughput"]["Elements"].as_f64().unwrap_or(1.0))
    }

    /// Bytes, as the memory bench printed them.
    fn bytes(&self, figure: &str) -> Result<f64, String> {
        let lines = self.memory.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line["figure"] == figure)
            .find_map(|line| line["bytes"].as_f64())
            .ok_or_else(|| format!("the memory bench printed no {figure}"))
    }
}

fn json(path: &PathBuf) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))?;
    serde_json::from_str(&text).map_err(|err| format!("{}: {err}", path.display()))
}

fn table(measured: &Measured) -> Result<Table, String> {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["figure", "measured", "held against", "", "ratio", "bound"]);
    let times: [(&str, &str, &str, &str, &str); 11] = [
        ("`record` through the handle", "record/handle", "raw", "record/raw", "1.5"),
        ("", "record/handle", "raw behind a lock and a clock", "record/raw_locked", ""),
        ("`record` while 100,000 peers are stored", "record/handle_while_storing", "raw", "record/raw", ""),
        ("`Tracker::apply` alone", "core_record/tracker", "raw", "core_record/raw", ""),
        ("channel query through the handle", "channel_query/handle", "raw", "channel_query/raw", "1.0"),
        ("", "channel_query/handle", "raw behind a lock and a clock", "channel_query/raw_locked", ""),
        (
            "the same, 100,000 log entries",
            "channel_query/log_entries/100000",
            "10 log entries",
            "channel_query/log_entries/10",
            "flat",
        ),
        (
            "window query, 100,000 log entries",
            "window_query/log_entries/100000",
            "100 log entries",
            "window_query/log_entries/100",
            "2.0",
        ),
        (
            "flush of 100,000 peers to redb",
            "flush_100k/ours",
            "bare redb, same bytes",
            "flush_100k/bare",
            "1.5",
        ),
        (
            "the same, rows that exist",
            "flush_100k_again/ours",
            "bare redb, same bytes",
            "flush_100k_again/bare",
            "1.5",
        ),
        ("start with 1,000,000 peers on redb", "start_1m/restore", "reading alone", "start_1m/read", "2 s"),
    ];
    for (figure, ours, against, other, bound) in times {
        let (ours, other) = (measured.nanos(ours)?, measured.nanos(other)?);
        let ratio = format!("{:.2}", ours / other);
        table.add_row([figure, &time(ours), against, &time(other), &ratio, bound]);
    }
    let raw = measured.bytes("raw_peer")?;
    for (figure, name, bound) in [
        ("memory, a peer with one channel", "peer_with_channel", "256 B"),
        ("memory, a log entry of 4,096", "log_entry_of_4096", "24 B"),
        ("memory, a log entry of 1,000", "log_entry_of_1000", "24 B"),
    ] {
        let bytes = measured.bytes(name)?;
        let ratio = format!("{:.2}", bytes / raw);
        let cells = [figure, &format!("{bytes:.1} B"), "raw, a value", &format!("{raw:.1} B"), &ratio, bound];
        table.add_row(cells);
    }
    for column in [1, 3, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Ok(table)
}

fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.1} µs", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{:.0} ms", nanos / 1e6),
        nanos => format!("{:.2} s", nanos / 1e9),
    }
}
