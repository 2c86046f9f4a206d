//! Benchmarks as one table: figure, measured, compared with, ratio, bound.

mod results;
mod stores;

use comfy_table::{CellAlignment, Table};

use self::results::{Criterion, Printed, table, time};
use crate::command::{cargo, output, run as run_command};

pub(crate) use self::stores::run as run_stores;

/// The packages and their benchmarks.
const BENCHES: &[(&str, &str)] = &[
    ("fitness-core", "tracker"),
    ("fitness-actor", "handle"),
    ("fitness-store-redb", "redb"),
    ("fitness-web", "pages"),
];

pub(crate) fn run(quick: bool) -> Result<(), String> {
    for (package, bench) in BENCHES {
        measure(package, bench, quick)?;
    }
    let memory = output(cargo(&["bench", "--package", "fitness-core", "--bench", "memory"]))?;
    let table = figures(&Criterion::new()?, &Printed::new(&memory))?;
    println!("\nMedians of one run on this machine; compare the ratios.\n\n{table}");
    Ok(())
}

fn measure(package: &str, bench: &str, quick: bool) -> Result<(), String> {
    let mut args = vec!["bench", "--package", package, "--bench", bench, "--"];
    if quick {
        args.extend(["--warm-up-time", "0.5", "--measurement-time", "1"]);
    }
    run_command(cargo(&args))
}

fn figures(criterion: &Criterion, memory: &Printed) -> Result<Table, String> {
    let mut rows = Vec::new();
    // Figure, its benchmark, what it is compared with, the benchmark of that, bound.
    let times: [(&str, &str, &str, &str, &str); 13] = [
        ("`record` through the handle", "record/handle", "raw", "record/raw", "1.5"),
        ("", "record/handle", "raw behind a lock and a clock", "record/raw_locked", ""),
        (
            "`record` while 100,000 peers are committed",
            "record/handle_while_committing",
            "raw",
            "record/raw",
            "",
        ),
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
            "commit of 100,000 new peers to redb",
            "commit_100k/store",
            "redb alone, same bytes",
            "commit_100k/raw_redb",
            "1.5",
        ),
        (
            "the same, existing rows",
            "recommit_100k/store",
            "redb alone, same bytes",
            "recommit_100k/raw_redb",
            "1.5",
        ),
        ("start with 1,000,000 peers on redb", "start_1m/resume", "reading alone", "start_1m/read", "2 s"),
        ("page with 100 of 5,000 peers", "pages/peers", "`Handle::peers` alone", "pages/handle_peers", ""),
        (
            "the same, sorted by availability",
            "pages/peers_by_availability",
            "`Handle::peers` alone",
            "pages/handle_peers",
            "",
        ),
    ];
    for (figure, ours, comparison, other, bound) in times {
        let (ours, other) = (criterion.nanos(ours)?, criterion.nanos(other)?);
        let ratio = format!("{:.2}", ours / other);
        rows.push([figure, &time(ours), comparison, &time(other), &ratio, bound].map(String::from).into());
    }
    let bytes_of = |figure: &str| memory.figure(&[("figure", figure)], "bytes");
    let raw = bytes_of("raw_peer")?;
    for (figure, name, bound) in [
        ("memory of a peer with one channel", "peer_with_channel", "256 B"),
        ("memory of a log entry, log of 4,096", "log_entry_of_4096", "24 B"),
        ("memory of a log entry, log of 1,000", "log_entry_of_1000", "24 B"),
    ] {
        let bytes = bytes_of(name)?;
        let ratio = format!("{:.2}", bytes / raw);
        let cells =
            [figure, &format!("{bytes:.1} B"), "raw, one value", &format!("{raw:.1} B"), &ratio, bound];
        rows.push(cells.map(String::from).into());
    }
    let mut table = table(&["figure", "measured", "compared with", "", "ratio", "bound"], rows, 1..6);
    if let Some(comparison) = table.column_mut(2) {
        comparison.set_cell_alignment(CellAlignment::Left);
    }
    Ok(table)
}
