//! Values that are not what was written are refused, by name, and left as they are.

use fitness_core::UnsavedChanges;
use fitness_store::{Batch, StoreError};

use crate::support::{Memory, Name, Sight, commit, flap, gap, node, peer, sight};

const NODES: u32 = 8;

/// Two sessions' worth: a manifest, pages, and a journal with some entries written over.
fn stored() -> Memory {
    let memory = Memory::default();
    let store = memory.open();
    let peers = (0..4).map(|number| peer(number, 1)).collect();
    let changes = UnsavedChanges { peers, gaps: vec![gap(1, 1)], ..UnsavedChanges::default() };
    commit(&store, &Batch { changes, ..Batch::default() }).expect("it is stored");
    drop(store);
    let store = memory.open();
    for version in 1..=36 {
        commit(&store, &flap(version % 4, version, version)).expect("it is stored");
    }
    drop(store);
    memory
}

/// A copy in which one value is another one.
fn with(memory: &Memory, name: &Name, value: Option<Vec<u8>>) -> Memory {
    let copy = memory.survivor();
    match value {
        Some(value) => copy.shelves().values.insert(name.clone(), value),
        None => copy.shelves().values.remove(name),
    };
    copy
}

fn values(memory: &Memory) -> Vec<(Name, Vec<u8>)> {
    memory.shelves().values.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn path(name: &Name) -> String {
    format!("{}/{}/{}", name.0, name.1, name.2)
}

/// Reading and committing are refused with an error that names the value, and nothing is changed.
fn refused(memory: &Memory, name: &Name) -> StoreError {
    let before = values(memory);
    let error = sight(&memory.open(), NODES).expect_err(&path(name));
    assert!(error.to_string().contains(&path(name)), "{error} does not name {}", path(name));
    assert!(error.to_string().contains("memory"), "{error}");
    // What is damaged may be a page that this batch has nothing to do with, but not here.
    commit(&memory.open(), &flap(1, 99, 1)).expect_err(&path(name));
    let kept = |(name, value): &(Name, Vec<u8>)| memory.shelves().values.get(name) == Some(value);
    let root = |name: &Name| name.1 == "observers";
    assert!(before.iter().all(|pair| root(&pair.0) || kept(pair)), "{} was changed", path(name));
    error
}

#[test]
fn every_byte_counts() {
    let memory = stored();
    for (name, value) in values(&memory) {
        for place in 0..value.len() {
            let mut damaged = value.clone();
            damaged[place] ^= 1 << (place % 8);
            let error = sight(&with(&memory, &name, Some(damaged)).open(), NODES).expect_err(&path(&name));
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(&path(&name)), "{error}");
        }
        for damaged in [Vec::new(), vec![1], value[..value.len() - 1].to_vec(), [&value[..], &[0]].concat()] {
            let error = refused(&with(&memory, &name, Some(damaged)), &name);
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        }
    }
}

#[test]
fn a_value_under_another_key_is_found() {
    let memory = stored();
    let all = values(&memory);
    for ((name, _), (_, other)) in all.iter().zip(all.iter().cycle().skip(1)) {
        let error = refused(&with(&memory, name, Some(other.clone())), name);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let memory = stored();
    for (name, value) in values(&memory) {
        let mut newer = value[..value.len() - 4].to_vec();
        newer[0] = 2;
        let mut hasher = crc32fast::Hasher::new();
        let root = name.1 == "observers";
        hasher.update(&crate::support::OURS.0);
        hasher.update(if root { b"observers" } else { name.2.as_bytes() });
        hasher.update(&newer);
        newer.extend_from_slice(&hasher.finalize().to_le_bytes());
        let error = refused(&with(&memory, &name, Some(newer)), &name);
        assert!(matches!(error, StoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }
}

/// A value that is gone is noticed, but for the newest of the journal: that is what a crash looks
/// like as well.
#[test]
fn a_missing_value_is_found() {
    let memory = stored();
    let whole = sight(&memory.open(), NODES).expect("it loads");
    let mut lost: Vec<Sight> = Vec::new();
    let mut stale = 0;
    for (name, _) in values(&memory) {
        match sight(&with(&memory, &name, None).open(), NODES) {
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
                assert!(
                    error.to_string().contains(if name.1 == "observers" { &name.1 } else { &name.2 }),
                    "{error}"
                );
            }
            // A slot whose entry is in the pages already.
            Ok(seen) if seen == whole => stale += 1,
            Ok(seen) => lost.push(seen),
        }
    }
    assert_eq!(lost.len(), 1);
    assert!(lost[0].peers.iter().all(|peer| peer.flap_count < 36), "the newest one");
    assert!(lost[0].peers.iter().any(|peer| peer.node_id == node(3) && peer.flap_count == 35));
    assert!(stale > 20, "{stale} slots");
}
