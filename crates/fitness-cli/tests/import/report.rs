//! The summary of an import, and the marks of imported values in later reports.

use crate::common::{ldk_fitness, node, stderr, stdout};
use crate::support::{AT_TEXT, ERIN, OBSERVER, TestStore, ZOE, channels_file, channels_json, peers_file};

#[test]
fn summary_lists_skipped_and_incomplete_peers() {
    let test_store = TestStore::new();
    let output = test_store.import(&[&peers_file(), &channels_file()], &[]);
    assert_eq!(stderr(&output), "");
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    for part in ["5 peers", "5 open channels", AT_TEXT, "fitness.redb", &OBSERVER.to_string()] {
        assert!(lines[0].contains(part), "{part:?} is missing in {text}");
    }
    // `lncli listpeers` does not list Erin, and lnd has no statistics of Zoe. Each id follows its heading.
    assert_eq!((lines[2].trim(), lines[4].trim(), lines.len()), (ERIN, ZOE, 5), "{text}");
}

#[test]
fn imported_peers_are_marked_in_reports() {
    let test_store = TestStore::new();
    test_store.import_json(&[&peers_file(), &channels_file()]);
    let report = |args: &[&str]| {
        let mut command = ldk_fitness();
        let output = command.env("COLUMNS", "120").arg("report").arg(&test_store.path).args(args).output();
        stdout(&output.expect("program runs"))
    };
    let table = report(&[]);
    for (id, availability) in [
        ("03bf…9154†", "1.02%"),
        ("0337…b153†", "66.48%"),
        ("026c…664c†", "99.54%"),
        ("0245…adc3†", "100.00%"),
    ] {
        let row =
            table.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("no {id} in\n{table}"));
        assert!(row.replace(' ', "").contains(availability), "{row}");
    }
    let footnotes = |text: &str, mark: char| {
        text.lines().filter(|line| line.starts_with(mark)).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let marks = footnotes(&table, '†');
    assert!(marks.len() == 1 && marks[0].contains(AT_TEXT), "{table}");

    let detail = report(&["--peer", "026cec", "--ascii"]);
    assert!(detail.contains("026c..664c*"), "{detail}");
    assert!(footnotes(&detail, '*').iter().any(|line| line.contains(AT_TEXT)), "{detail}");

    // Peers that are imported later have their own import time.
    let later = "2026-03-02T12:00:00Z";
    let more = test_store.write_file("more.json", channels_json(&node('b'), 1, &[("9", "4")]));
    test_store.import_at(later, &[&more], &[]);
    let table = report(&[]);
    let marks = footnotes(&table, '†');
    assert!(marks.iter().any(|line| line.contains(AT_TEXT) && line.contains(later)), "{table}");
}
