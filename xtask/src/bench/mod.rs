//! Benchmarks as one table: figure, measured, what it is held against, ratio, bound.

mod measured;
mod stores;

use comfy_table::{CellAlignment, Table};

use self::measured::{Criterion, Printed, table, time};
use crate::run::{cargo, output, run as run_command};

pub(crate) use self::stores::run as run_stores;

/// Where the benches are.
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
    println!("\nMedians of one run on this machine; ratios are what counts.\n\n{table}");
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
    let times: [(&str, &str, &str, &str, &str); 13] = [
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
        (
            "the dashboard with 5,000 peers, 100 of them",
            "pages/peers",
            "`Handle::peers` alone",
            "pages/list_of_the_service",
            "",
        ),
        (
            "the same, by availability",
            "pages/peers_by_availability",
            "`Handle::peers` alone",
            "pages/list_of_the_service",
            "",
        ),
    ];
    for (figure, ours, against, other, bound) in times {
        let (ours, other) = (criterion.nanos(ours)?, criterion.nanos(other)?);
        let ratio = format!("{:.2}", ours / other);
        rows.push([figure, &time(ours), against, &time(other), &ratio, bound].map(String::from).into());
    }
    let bytes_of = |figure: &str| memory.figure(&[("figure", figure)], "bytes");
    let raw = bytes_of("raw_peer")?;
    for (figure, name, bound) in [
        ("memory, a peer with one channel", "peer_with_channel", "256 B"),
        ("memory, a log entry of 4,096", "log_entry_of_4096", "24 B"),
        ("memory, a log entry of 1,000", "log_entry_of_1000", "24 B"),
    ] {
        let bytes = bytes_of(name)?;
        let ratio = format!("{:.2}", bytes / raw);
        let cells = [figure, &format!("{bytes:.1} B"), "raw, a value", &format!("{raw:.1} B"), &ratio, bound];
        rows.push(cells.map(String::from).into());
    }
    let mut table = table(&["figure", "measured", "held against", "", "ratio", "bound"], rows, 1..6);
    if let Some(against) = table.column_mut(2) {
        against.set_cell_alignment(CellAlignment::Left);
    }
    Ok(table)
}
