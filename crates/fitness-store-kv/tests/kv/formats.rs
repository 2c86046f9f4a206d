//! Values of every earlier format can be read.
//!
//! A fixture lists the values of a store, one on each line. It was written by the release that introduced the
//! format and must never change. A new format gets a new file.

use fitness_core::UnsavedChanges;
use fitness_store::{Batch, LogReplacement, MemoryStore};

use crate::support::{Memory, commit, contents, flap, gap, node, observer, peer, segment};

const FORMAT_1: &str = include_str!("../fixtures/format-1.txt");
const NODES: u32 = 5;

/// Returns two sessions with pages of both and a journal with every operation.
fn sessions_of_format_1() -> [Vec<Batch>; 2] {
    let whole = |numbers: std::ops::Range<u32>| Batch {
        changes: UnsavedChanges {
            peers: numbers.clone().map(|number| peer(number, 1)).collect(),
            segments: numbers
                .flat_map(|number| [segment(number, 0, 64, 1), segment(number, 1, 3, 1)])
                .collect(),
            gaps: (0..3).map(|number| gap(number, 4)).collect(),
            ..UnsavedChanges::default()
        },
        observer: Some(observer(7)),
        ..Batch::default()
    };
    let downsampled =
        LogReplacement { node_id: node(1), below_index: 1, segments: vec![segment(1, 0, 2, 9)] };
    let forgetting = Batch {
        changes: UnsavedChanges { forgotten_peers: vec![node(0)], ..UnsavedChanges::default() },
        prune_gaps_before: Some(2),
        replacements: vec![downsampled],
        ..Batch::default()
    };
    [
        vec![whole(0..3), flap(2, 5, 9)],
        vec![whole(3..4), flap(1, 3, 2), flap(1, 4, 3), forgetting, flap(4, 6, 1)],
    ]
}

fn expected() -> MemoryStore {
    let model = MemoryStore::new();
    for batch in sessions_of_format_1().iter().flatten() {
        commit(&model, batch).expect("an operation in memory");
    }
    model
}

/// Parses a listing.
fn parse(listing: &str) -> Memory {
    let memory = Memory::default();
    for line in listing.lines() {
        let mut fields = line.split(' ');
        let mut field = || fields.next().expect("three namespaces and a value").to_owned();
        let (name, hex) = ((field(), field(), field()), field());
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
        memory.state().values.insert(name, (0..hex.len()).step_by(2).map(byte).collect());
    }
    memory
}

#[test]
fn format_1_can_be_read_and_written() {
    let memory = parse(FORMAT_1);
    let model = expected();
    let store = memory.open();
    assert_eq!(
        contents(&store, NODES).expect("a successful load"),
        contents(&model, NODES).expect("an operation in memory")
    );
    for version in 10..60 {
        for batch in [flap(version % NODES, version, 5), flap(1, version, 6)] {
            commit(&model, &batch).expect("an operation in memory");
            commit(&store, &batch).expect("the session continues");
        }
    }
    let found = contents(&memory.open(), NODES).expect("a successful load");
    assert_eq!(found, contents(&model, NODES).expect("an operation in memory"));
}

/// Prints the fixture of the current format if `FITNESS_WRITE_FIXTURE` is set. Does nothing otherwise.
#[test]
fn print_fixture_on_request() {
    if std::env::var_os("FITNESS_WRITE_FIXTURE").is_none() {
        return;
    }
    let memory = Memory::default();
    for session in sessions_of_format_1() {
        let store = memory.open();
        for batch in &session {
            commit(&store, batch).expect("a successful commit");
        }
    }
    for ((primary, secondary, key), value) in &memory.state().values {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("fixture {primary} {secondary} {key} {hex}");
    }
}
