//! The stores side by side: the tables of `docs/STORES.md`.

use std::fs;

use comfy_table::CellAlignment;

use super::measure;
use super::measured::{Criterion, Printed, table, time};
use crate::marked;
use crate::run::{cargo, output, root};

const PACKAGE: &str = "fitness-e2e";
const BENCH: &str = "stores";
const PAGE: &str = "docs/STORES.md";

/// What the bench calls them, and what they are called here.
const STORES: &[(&str, &str)] = &[
    ("memory", "memory"),
    ("redb", "redb"),
    ("files", "kv, files"),
    ("sqlite", "kv, SQLite"),
    ("postgres", "PostgreSQL"),
];

/// Of whatever writes. What reads makes records of rows, which a bare database has no use for.
const BOUND: f64 = 1.5;

const WORK: &[(&str, &str)] = &[
    ("first", "the first 100,000 peers"),
    ("load", "a start: 100,000 peers"),
    ("window", "a month of one peer, 4,000 entries"),
    ("commit_1", "a commit of 1 peer"),
    ("commit_1000", "of 1,000 peers"),
    ("commit_100000", "of all 100,000 peers"),
];

/// What a `KVStore` is asked for: the work, and what it is called.
const ASKED: &[(&str, &str)] = &[
    ("stored", "the first 100,000 peers"),
    ("load", "a start: 100,000 peers"),
    ("window", "a month of one peer, 4,000 entries"),
    ("commit_1", "a commit of 1 peer"),
    ("commit_1000", "of 1,000 peers"),
    ("commit_100000", "of all 100,000 peers"),
];

/// Runs the bench and prints its tables; with `write`, puts them into the page as well.
pub(crate) fn run(quick: bool, write: bool) -> Result<(), String> {
    measure(PACKAGE, BENCH, quick)?;
    let costs = output(cargo(&["bench", "--package", PACKAGE, "--bench", BENCH, "--", "--costs"]))?;
    let (criterion, costs) = (Criterion::new()?, Printed::new(&costs));
    let tables = [
        ("speed", speed(&criterion)?),
        ("bounds", bounds(&criterion)?),
        ("disk", disk(&costs)?),
        ("asked", asked(&costs)?),
    ];
    println!("\nMedians of one run on this machine; ratios are what counts.");
    for (_, table) in &tables {
        println!("\n{table}");
    }
    if write {
        let path = root().join(PAGE);
        let mut page = fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
        for (name, table) in &tables {
            page = marked::replaced(PAGE, &page, name, table)?;
        }
        fs::write(&path, page).map_err(|err| format!("{}: {err}", path.display()))?;
    }
    Ok(())
}

/// One that could not be measured here, because what it needs is not installed.
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
            let (ours, bare) = (benchmark(work, store), benchmark(work, &format!("{store}_bare")));
            if criterion.has(&ours) && criterion.has(&bare) {
                let (ours, bare) = (criterion.nanos(&ours)?, criterion.nanos(&bare)?);
                let ratio = format!("{:.2}", ours / bare);
                let bound = if reads(work) { String::new() } else { BOUND.to_string() };
                let against = without_us(store, work);
                let cells = [title, *named, &time(ours), against, &time(bare), &ratio, &bound];
                rows.push(cells.map(String::from).into());
            }
        }
    }
    let mut table = table(&["", "store", "", "held against", "", "ratio", "bound"], rows, 2..7);
    if let Some(against) = table.column_mut(3) {
        against.set_cell_alignment(CellAlignment::Left);
    }
    Ok(table.to_string())
}

fn reads(work: &str) -> bool {
    matches!(work, "load" | "window")
}

/// What the same work is in the database underneath.
fn without_us(store: &str, work: &str) -> &'static str {
    match (store, work) {
        ("postgres", "first") => "COPY",
        ("postgres", "load" | "window") => "SELECT",
        ("postgres", "commit_1") => "INSERT",
        ("postgres", _) => "COPY, then INSERT",
        _ => "bare redb",
    }
}

fn benchmark(work: &str, store: &str) -> String {
    format!("{BENCH}_{work}/{store}")
}

fn disk(costs: &Printed) -> Result<String, String> {
    let mut rows = Vec::new();
    for (store, title) in STORES {
        let bytes = |when| costs.figure(&[("store", store), ("disk", when)], "bytes");
        // What is in memory alone takes nothing.
        if let Ok(stored) = bytes("stored") {
            rows.push(vec![(*title).to_owned(), megabytes(stored), megabytes(bytes("written_over")?)]);
        }
    }
    Ok(table(&["on the disk", "100,000 peers", "after 32 commits of 1,000"], rows, 1..3).to_string())
}

fn asked(costs: &Printed) -> Result<String, String> {
    let mut rows = Vec::new();
    for (work, title) in ASKED {
        let mut row = vec![(*title).to_owned()];
        // A `KVStore` is asked for the same, whichever it is.
        let figure = |field| costs.figure(&[("store", "files"), ("work", work)], field);
        let times = figure("times")?;
        for field in ["reads", "writes", "removals"] {
            row.push(count(figure(field)? / times));
        }
        row.push(kilobytes(figure("bytes")? / times));
        row.push(count(figure("rounds")? / times));
        rows.push(row);
    }
    let header = ["on average", "reads", "writes", "removals", "written", "waits"];
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
