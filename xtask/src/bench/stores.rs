//! Comparison of the stores: the tables of `docs/storage.md`.

use std::fs;

use comfy_table::CellAlignment;

use super::measure;
use super::results::{Criterion, Printed, table, time};
use crate::command::{cargo, output, root};
use crate::markers;

const PACKAGE: &str = "fitness-e2e";
const BENCH: &str = "stores";
const PAGE: &str = "docs/storage.md";

/// The name of each store in the benchmark and in the tables.
const STORES: &[(&str, &str)] = &[
    ("memory", "memory"),
    ("redb", "redb"),
    ("files", "kv, files"),
    ("sqlite", "kv, SQLite"),
    ("postgres", "PostgreSQL"),
];

/// The bound of writes. Reads have none: they decode records, which the database alone does not.
const BOUND: f64 = 1.5;

const WORK: &[(&str, &str)] = &[
    ("initial_commit", "first commit of 100,000 peers"),
    ("load", "start with 100,000 peers"),
    ("window", "a month of one peer, 4,000 entries"),
    ("commit_1", "commit of 1 peer"),
    ("commit_1000", "commit of 1,000 peers"),
    ("commit_100000", "commit of all 100,000 peers"),
];

/// The work whose requests to a `KVStore` are counted, and its title.
const REQUESTS: &[(&str, &str)] = &[
    ("initial_commit", "first commit of 100,000 peers"),
    ("load", "start with 100,000 peers"),
    ("window", "a month of one peer, 4,000 entries"),
    ("commit_1", "commit of 1 peer"),
    ("commit_1000", "commit of 1,000 peers"),
    ("commit_100000", "commit of all 100,000 peers"),
];

/// Runs the benchmark and prints its tables; with `write`, writes them into the page as well.
pub(crate) fn run(quick: bool, write: bool) -> Result<(), String> {
    measure(PACKAGE, BENCH, quick)?;
    let usage = output(cargo(&["bench", "--package", PACKAGE, "--bench", BENCH, "--", "--resource-usage"]))?;
    let (criterion, usage) = (Criterion::new()?, Printed::new(&usage));
    let tables = [
        ("speed", speed(&criterion)?),
        ("bounds", bounds(&criterion)?),
        ("disk", disk(&usage)?),
        ("kv-requests", kv_requests(&usage)?),
    ];
    println!("\nMedians of one run on this machine; compare the ratios.");
    for (_, table) in &tables {
        println!("\n{table}");
    }
    if write {
        let path = root().join(PAGE);
        let mut page = fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
        for (name, table) in &tables {
            page = markers::replace(PAGE, &page, name, table)?;
        }
        fs::write(&path, page).map_err(|err| format!("{}: {err}", path.display()))?;
    }
    Ok(())
}

/// Shown where the benchmark did not run because a program is not installed.
const NOT_MEASURED: &str = "–";

fn speed(criterion: &Criterion) -> Result<String, String> {
    let mut header = vec![""];
    header.extend(STORES.iter().map(|(_, title)| *title));
    let mut rows = Vec::new();
    for (work, title) in WORK {
        let mut row = vec![(*title).to_owned()];
        for (store, _) in STORES {
            let benchmark = benchmark(work, store);
            let measured = criterion.has(&benchmark).then(|| criterion.nanos(&benchmark)).transpose()?;
            row.push(measured.map_or_else(|| NOT_MEASURED.to_owned(), time));
        }
        rows.push(row);
    }
    Ok(table(&header, rows, 1..STORES.len() + 1).to_string())
}

fn bounds(criterion: &Criterion) -> Result<String, String> {
    let mut rows = Vec::new();
    for (store, named) in STORES {
        for (work, title) in WORK {
            let (ours, raw) = (benchmark(work, store), benchmark(work, &format!("{store}_raw")));
            if criterion.has(&ours) && criterion.has(&raw) {
                let (ours, raw) = (criterion.nanos(&ours)?, criterion.nanos(&raw)?);
                let ratio = format!("{:.2}", ours / raw);
                let bound = if is_read(work) { String::new() } else { BOUND.to_string() };
                let comparison = raw_operation(store, work);
                let cells = [title, *named, &time(ours), comparison, &time(raw), &ratio, &bound];
                rows.push(cells.map(String::from).into());
            }
        }
    }
    let mut table = table(&["", "store", "", "compared with", "", "ratio", "bound"], rows, 2..7);
    if let Some(comparison) = table.column_mut(3) {
        comparison.set_cell_alignment(CellAlignment::Left);
    }
    Ok(table.to_string())
}

fn is_read(work: &str) -> bool {
    matches!(work, "load" | "window")
}

/// Returns the operation that does the same work in the database alone.
fn raw_operation(store: &str, work: &str) -> &'static str {
    match (store, work) {
        ("postgres", "initial_commit") => "COPY",
        ("postgres", "load" | "window") => "SELECT",
        ("postgres", "commit_1") => "INSERT",
        ("postgres", _) => "COPY, then INSERT",
        _ => "redb alone",
    }
}

fn benchmark(work: &str, store: &str) -> String {
    format!("{BENCH}_{work}/{store}")
}

fn disk(usage: &Printed) -> Result<String, String> {
    let mut rows = Vec::new();
    for (store, title) in STORES {
        let bytes = |state| usage.figure(&[("store", store), ("disk_state", state)], "bytes");
        // The store in memory has no files.
        if let Ok(initial) = bytes("initial") {
            rows.push(vec![(*title).to_owned(), megabytes(initial), megabytes(bytes("after_overwrites")?)]);
        }
    }
    Ok(table(&["size on disk", "100,000 peers", "after 32 commits of 1,000"], rows, 1..3).to_string())
}

fn kv_requests(usage: &Printed) -> Result<String, String> {
    let mut rows = Vec::new();
    for (work, title) in REQUESTS {
        let mut row = vec![(*title).to_owned()];
        // The requests are the same for every `KVStore`.
        let figure = |field| usage.figure(&[("store", "files"), ("work", work)], field);
        let iterations = figure("iterations")?;
        for field in ["reads", "writes", "removals"] {
            row.push(count(figure(field)? / iterations));
        }
        row.push(kilobytes(figure("bytes")? / iterations));
        row.push(count(figure("round_trips")? / iterations));
        rows.push(row);
    }
    let header = ["on average", "reads", "writes", "removals", "written", "round trips"];
    Ok(table(&header, rows, 1..6).to_string())
}

fn count(number: f64) -> String {
    if number < 10.0 && number.fract() != 0.0 { format!("{number:.1}") } else { format!("{number:.0}") }
}

fn kilobytes(bytes: f64) -> String {
    match bytes / 1e3 {
        kilobytes if kilobytes >= 1e3 => megabytes(bytes),
        kilobytes => format!("{} kB", count(kilobytes)),
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}
