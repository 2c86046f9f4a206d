//! Results of the benchmarks, and how tables show them.

use std::fs;
use std::path::{Path, PathBuf};

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;

use crate::command::{cargo, output, root};

/// The latest measurements of criterion.
pub(super) struct Criterion(PathBuf);

impl Criterion {
    pub(super) fn new() -> Result<Self, String> {
        let metadata = output(cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
        let metadata: Value =
            serde_json::from_str(&metadata).map_err(|err| format!("cargo metadata: {err}"))?;
        let directory =
            metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
        Ok(Self(root().join(directory).join("criterion")))
    }

    /// Whether the benchmark has been run.
    pub(super) fn has(&self, benchmark: &str) -> bool {
        self.0.join(benchmark).join("new").is_dir()
    }

    /// Returns the median time of one element of a benchmark, in nanoseconds.
    pub(super) fn nanos(&self, benchmark: &str) -> Result<f64, String> {
        let directory = self.0.join(benchmark).join("new");
        let estimates = json(&directory.join("estimates.json"))?;
        let description = json(&directory.join("benchmark.json"))?;
        let median = estimates["median"]["point_estimate"]
            .as_f64()
            .ok_or_else(|| format!("{benchmark}: no median in estimates.json"))?;
        Ok(median / description["throughput"]["Elements"].as_f64().unwrap_or(1.0))
    }
}

fn json(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))?;
    serde_json::from_str(&text).map_err(|err| format!("{}: {err}", path.display()))
}

/// Figures that a benchmark printed, one JSON object on each line.
pub(super) struct Printed(Vec<Value>);

impl Printed {
    pub(super) fn new(printed: &str) -> Self {
        Self(printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Returns a field of the first figure that has these other fields.
    pub(super) fn figure(&self, selector: &[(&str, &str)], field: &str) -> Result<f64, String> {
        let mut figures =
            self.0.iter().filter(|figure| selector.iter().all(|(name, value)| figure[*name] == **value));
        let found = figures.find_map(|figure| figure[field].as_f64());
        found.ok_or_else(|| format!("the benchmark printed no {field} for {selector:?}"))
    }
}

/// Returns a table in Markdown, with the columns of numbers aligned to the right.
pub(super) fn table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    number_columns: std::ops::Range<usize>,
) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header);
    table.add_rows(rows);
    for column in number_columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

pub(super) fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.1} µs", nanos / 1e3),
        nanos if nanos < 1e7 => format!("{:.1} ms", nanos / 1e6),
        nanos if nanos < 1e9 => format!("{:.0} ms", nanos / 1e6),
        nanos => format!("{:.2} s", nanos / 1e9),
    }
}
