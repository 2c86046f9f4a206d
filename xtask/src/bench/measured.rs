//! What the benches left behind, and how it is written.

use std::fs;
use std::path::{Path, PathBuf};

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;

use crate::run::{cargo, output, root};

/// The times that criterion measured last.
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

    /// Whether there is such a benchmark.
    pub(super) fn has(&self, benchmark: &str) -> bool {
        self.0.join(benchmark).join("new").is_dir()
    }

    /// Median nanoseconds of one element of a benchmark.
    pub(super) fn nanos(&self, benchmark: &str) -> Result<f64, String> {
        let directory = self.0.join(benchmark).join("new");
        let estimates = json(&directory.join("estimates.json"))?;
        let described = json(&directory.join("benchmark.json"))?;
        let median = estimates["median"]["point_estimate"]
            .as_f64()
            .ok_or_else(|| format!("{benchmark}: no median in estimates.json"))?;
        Ok(median / described["throughput"]["Elements"].as_f64().unwrap_or(1.0))
    }
}

fn json(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))?;
    serde_json::from_str(&text).map_err(|err| format!("{}: {err}", path.display()))
}

/// Figures that were printed, an object in JSON each.
pub(super) struct Printed(Vec<Value>);

impl Printed {
    pub(super) fn new(printed: &str) -> Self {
        Self(printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// A field of the figure that has these other fields.
    pub(super) fn figure(&self, which: &[(&str, &str)], field: &str) -> Result<f64, String> {
        let mut figures = self.0.iter().filter(|figure| which.iter().all(|(name, is)| figure[*name] == **is));
        let found = figures.find_map(|figure| figure[field].as_f64());
        found.ok_or_else(|| format!("no {field} was printed of {which:?}"))
    }
}

/// A table in Markdown. `right` are the columns of numbers.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, right: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header);
    table.add_rows(rows);
    for column in right {
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
