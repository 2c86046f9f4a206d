//! Damaged values are rejected, named in the error, and left unchanged.

use fitness_core::UnsavedChanges;
use fitness_store::{Batch, StoreError};

use crate::support::{Contents, Memory, Name, commit, contents, flap, gap, node, peer};

const NODES: u32 = 8;

/// Returns a store after two sessions: a manifest, pages, and a journal with overwritten slots.
fn stored() -> Memory {
    let memory = Memory::default();
    let store = memory.open();
    let peers = (0..4).map(|number| peer(number, 1)).collect();
    let changes = UnsavedChanges { peers, gaps: vec![gap(1, 1)], ..UnsavedChanges::default() };
    commit(&store, &Batch { changes, ..Batch::default() }).expect("a successful commit");
    drop(store);
    let store = memory.open();
    for version in 1..=36 {
        commit(&store, &flap(version % 4, version, version)).expect("a successful commit");
    }
    drop(store);
    memory
}

/// Returns a copy with another value under one key.
fn with(memory: &Memory, name: &Name, value: Option<Vec<u8>>) -> Memory {
    let copy = memory.copy_without_faults();
    match value {
        Some(value) => copy.state().values.insert(name.clone(), value),
        None => copy.state().values.remove(name),
    };
    copy
}

fn values(memory: &Memory) -> Vec<(Name, Vec<u8>)> {
    memory.state().values.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn path(name: &Name) -> String {
    format!("{}/{}/{}", name.0, name.1, name.2)
}

/// Asserts that reads and commits fail with an error that names the value, and that nothing changes.
fn assert_rejected(memory: &Memory, name: &Name) -> StoreError {
    let before = values(memory);
    let error = contents(&memory.open(), NODES).expect_err(&path(name));
    assert!(error.to_string().contains(&path(name)), "{error} does not name {}", path(name));
    assert!(error.to_string().contains("memory"), "{error}");
    // The damaged page might not be needed for this batch; here it is.
    commit(&memory.open(), &flap(1, 99, 1)).expect_err(&path(name));
    let kept = |(name, value): &(Name, Vec<u8>)| memory.state().values.get(name) == Some(value);
    let root = |name: &Name| name.1 == "observers";
    assert!(before.iter().all(|pair| root(&pair.0) || kept(pair)), "{} was changed", path(name));
    error
}

#[test]
fn any_changed_byte_is_detected() {
    let memory = stored();
    for (name, value) in values(&memory) {
        for place in 0..value.len() {
            let mut damaged = value.clone();
            damaged[place] ^= 1 << (place % 8);
            let error = contents(&with(&memory, &name, Some(damaged)).open(), NODES).expect_err(&path(&name));
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(&path(&name)), "{error}");
        }
        for damaged in [Vec::new(), vec![1], value[..value.len() - 1].to_vec(), [&value[..], &[0]].concat()] {
            let error = assert_rejected(&with(&memory, &name, Some(damaged)), &name);
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        }
    }
}

#[test]
fn value_under_another_key_is_detected() {
    let memory = stored();
    let all = values(&memory);
    for ((name, _), (_, other)) in all.iter().zip(all.iter().cycle().skip(1)) {
        let error = assert_rejected(&with(&memory, name, Some(other.clone())), name);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn newer_format_is_rejected_and_left_unchanged() {
    let memory = stored();
    for (name, value) in values(&memory) {
        let mut newer = value[..value.len() - 4].to_vec();
        newer[0] = 2;
        let mut hasher = crc32fast::Hasher::new();
        let root = name.1 == "observers";
        hasher.update(&crate::support::OBSERVER.0);
        hasher.update(if root { b"observers" } else { name.2.as_bytes() });
        hasher.update(&newer);
        newer.extend_from_slice(&hasher.finalize().to_le_bytes());
        let error = assert_rejected(&with(&memory, &name, Some(newer)), &name);
        assert!(matches!(error, StoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }
}

/// A missing value is detected, except the newest journal entry, whose absence may be due to a crash.
#[test]
fn missing_value_is_detected() {
    let memory = stored();
    let whole = contents(&memory.open(), NODES).expect("a successful load");
    let mut lost: Vec<Contents> = Vec::new();
    let mut stale = 0;
    for (name, _) in values(&memory) {
        match contents(&with(&memory, &name, None).open(), NODES) {
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
                assert!(
                    error.to_string().contains(if name.1 == "observers" { &name.1 } else { &name.2 }),
                    "{error}"
                );
            }
            // A slot whose entry is in the pages already is not needed.
            Ok(found) if found == whole => stale += 1,
            Ok(found) => lost.push(found),
        }
    }
    assert_eq!(lost.len(), 1);
    assert!(lost[0].peers.iter().all(|peer| peer.flap_count < 36), "the newest one");
    assert!(lost[0].peers.iter().any(|peer| peer.node_id == node(3) && peer.flap_count == 35));
    assert!(stale > 20, "{stale} slots");
}
