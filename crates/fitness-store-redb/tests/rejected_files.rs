//! A file that cannot be opened is rejected with an error that names it, and is left unchanged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fitness_core::{
    GapCause, GapRecord, LogEntry, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence, Totals,
    UnsavedChanges,
};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store, StoreError};
use fitness_store_redb::RedbStore;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition};
use tempfile::TempDir;

const OBSERVER: NodeId = NodeId([3; 33]);

fn node(number: u8) -> NodeId {
    NodeId([number; 33])
}

fn peer(number: u8) -> PeerRecord {
    PeerRecord {
        node_id: node(number),
        watched: true,
        in_reconnect_grace: false,
        tracked_since_ns: 1,
        presence: Presence::Online,
        presence_since_ns: 2,
        totals: Totals { online_ns: 3, observed_ns: 4 },
        flap_count: 5,
        last_flap_ns: None,
        disconnects: 6,
        log_end: 7,
        imported: None,
        channels: Vec::new(),
    }
}

fn gap(number: u32) -> GapRecord {
    GapRecord { number, cause: GapCause::NetworkDown, from_ns: 1, to_ns: 2 }
}

fn batch() -> Arc<Batch> {
    let entry = LogEntry::new(9, Presence::Online, Totals::default());
    let segment = |number| LogSegment { node_id: node(number), first_number: 0, entries: vec![entry; 60] };
    Arc::new(Batch {
        changes: UnsavedChanges {
            peers: (1..200).map(peer).collect(),
            segments: (1..200).map(segment).collect(),
            gaps: vec![gap(5), gap(6)],
            ..UnsavedChanges::default()
        },
        observer: Some(ObserverRecord {
            started_at_ns: 1,
            last_heartbeat_ns: 2,
            ..ObserverRecord::default()
        }),
        ..Batch::default()
    })
}

fn path_in(directory: &TempDir) -> PathBuf {
    directory.path().join("fitness.redb")
}

/// Returns a directory with a file that was written and closed.
fn filled() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = path_in(&directory);
    let store = RedbStore::open(&path).expect("a store");
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
    (directory, path)
}

/// Returns a directory with a copy of an open file after a commit, as a crash leaves it.
fn crashed() -> (TempDir, PathBuf) {
    let (directory, path) = filled();
    let store = RedbStore::open(&path).expect("a store");
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
    let copy = directory.path().join("crashed.redb");
    fs::copy(&path, &copy).expect("a copy");
    (directory, copy)
}

/// Asserts that both ways to open the file fail with the same error and leave it unchanged.
fn rejected(path: &Path) -> StoreError {
    let before = fs::read(path).ok();
    let error = RedbStore::open(path).expect_err("a rejected file");
    assert!(
        error.to_string().contains(&*path.to_string_lossy()),
        "the error does not name the file: {error}"
    );
    assert!(fs::read(path).ok() == before, "open failed and changed the file: {error}");
    let read_error = RedbStore::open_read_only(path).expect_err("a rejected file");
    assert!(fs::read(path).ok() == before, "open_read_only failed and changed the file: {read_error}");
    assert_eq!(read_error.to_string(), error.to_string());
    error
}

/// Asserts that the error is `OpenFailed` and permanent.
fn assert_open_failed(error: &StoreError) {
    assert!(matches!(error, StoreError::OpenFailed { .. }), "{error:?}");
    assert!(!error.is_transient());
}

#[test]
fn foreign_files_are_left_unchanged() {
    let random: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let contents: [(&str, Vec<u8>); 7] = [
        ("text", b"channel,uptime\n1,2\n".to_vec()),
        ("one byte", vec![b'r']),
        ("short zeros", vec![0; 20]),
        ("most of a magic number", b"redb\x1a\x0a\xa9\x0d".to_vec()),
        ("random bytes", random),
        ("zeros with something at the end", [vec![0; 8_191], vec![1]].concat()),
        ("zeros and other bytes", [vec![0; 9], vec![7; 60], vec![0; 9_000]].concat()),
    ];
    for (name, bytes) in contents {
        let directory = TempDir::new().expect("a directory");
        fs::write(path_in(&directory), bytes).expect("a file");
        let error = rejected(&path_in(&directory));
        assert!(matches!(error, StoreError::OpenFailed { .. }), "{name}: {error:?}");
        assert_open_failed(&error);
    }
}

/// The magic number alone, or followed by invalid bytes.
#[test]
fn file_with_redb_magic_and_invalid_contents_is_damaged() {
    for rest in [0, 10, 311, 5_000] {
        for byte in [0, 0xff] {
            let directory = TempDir::new().expect("a directory");
            let bytes = [b"redb\x1a\x0a\xa9\x0d\x0a".to_vec(), vec![byte; rest]].concat();
            fs::write(path_in(&directory), bytes).expect("a file");
            let error = rejected(&path_in(&directory));
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        }
    }
}

#[test]
fn redb_database_of_another_program_is_left_unchanged() {
    const OTHER: TableDefinition<'_, &str, u64> = TableDefinition::new("other");
    const PEERS: TableDefinition<'_, u64, u64> = TableDefinition::new("peers");
    const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
    for table in 0..3 {
        let directory = TempDir::new().expect("a directory");
        {
            let database = Database::create(path_in(&directory)).expect("a database");
            let transaction = database.begin_write().expect("a transaction");
            match table {
                0 => drop(transaction.open_table(OTHER).expect("a table").insert("a", 1)),
                1 => drop(transaction.open_table(PEERS).expect("a table").insert(1, 1)),
                _ => drop(transaction.open_table(META).expect("a table").insert("format", "x")),
            }
            transaction.commit().expect("a commit");
        }
        assert_open_failed(&rejected(&path_in(&directory)));
    }
}

/// The file may have been closed properly or not.
#[test]
fn file_of_newer_format_is_left_unchanged() {
    const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
    let (directory, path) = filled();
    let crashed = directory.path().join("crashed.redb");
    {
        let database = Database::open(&path).expect("a database");
        let transaction = database.begin_write().expect("a transaction");
        transaction.open_table(META).expect("a table").insert("format", 7).expect("an insert");
        transaction.commit().expect("a commit");
        fs::copy(&path, &crashed).expect("a copy");
    }
    for path in [path, crashed] {
        let error = rejected(&path);
        assert!(matches!(error, StoreError::NewerFormat { found: 7, supported: 2, .. }), "{error:?}");
    }
}

/// A file is truncated at many places, after it was closed and after a crash.
#[test]
fn truncated_file_is_damaged() {
    for (_directory, path) in [filled(), crashed()] {
        let whole = fs::read(&path).expect("a file");
        let lengths = [9, 100, 320, 321, 4_095, 4_096, 4_097, 8_192, whole.len() / 2, whole.len() - 1];
        let pages = (0..whole.len()).step_by(4_096 * 4);
        for len in lengths.into_iter().chain(pages).filter(|&len| len > 0) {
            fs::write(&path, &whole[..len]).expect("a shorter file");
            let error = rejected(&path);
            assert!(matches!(error, StoreError::Corrupt { .. }), "{len} bytes of {}: {error:?}", whole.len());
        }
    }
}

/// Not every byte is in use, and not every byte is read when the file is opened.
#[test]
fn changed_byte_never_causes_a_panic() {
    let (directory, path) = filled();
    let whole = fs::read(&path).expect("a file");
    let used = whole.len() - whole.iter().rev().take_while(|&&byte| byte == 0).count();
    // Panics of redb on the threads of `blocking` are expected; the test harness does not capture them.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !std::thread::current().name().is_some_and(|name| name.starts_with("blocking")) {
            hook(info);
        }
    }));
    let mut detected = 0;
    for offset in (0..320).chain((320..used).step_by(613)) {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x55;
        // Most in memory, where a sync takes no time; some in a file, which is opened in another way.
        let opened = if offset % 40 == 0 {
            let copy = directory.path().join("damaged.redb");
            fs::write(&copy, &bytes).expect("a file");
            RedbStore::open(&copy)
        } else {
            RedbStore::with_backend("damaged.redb", move || {
                let memory = InMemoryBackend::new();
                memory.set_len(bytes.len() as u64)?;
                memory.write(0, &bytes)?;
                Ok(memory)
            })
        };
        let result = opened.and_then(|store| {
            block_on(async {
                let peers = store.peers(&OBSERVER, None, 1_000).await?;
                for peer in &peers {
                    store.segments(&OBSERVER, &peer.node_id, 0, 10).await?;
                }
                store.observers().await?;
                store.gaps(&OBSERVER, 0, 10).await?;
                store.observer(&OBSERVER).await?;
                store.commit(&OBSERVER, batch()).await?;
                Ok(peers)
            })
        });
        match result {
            // A changed byte of the tree may hide a row, but must not invent one.
            Ok(peers) => assert!(peers.iter().all(|found| *found == peer(found.node_id.0[0])), "at {offset}"),
            Err(error) => {
                assert!(error.to_string().contains("damaged.redb"), "at {offset}: {error}");
                detected += 1;
            }
        }
    }
    assert!(detected > 20, "only {detected} were detected");
}

#[test]
fn invalid_path_is_rejected() {
    let directory = TempDir::new().expect("a directory");
    let missing = directory.path().join("missing").join("fitness.redb");
    assert_open_failed(&rejected(&missing));
    assert!(!missing.parent().expect("a parent").exists(), "no directory was created");

    assert_open_failed(&rejected(directory.path()));

    let file = directory.path().join("file");
    fs::write(&file, "text").expect("a file");
    assert_open_failed(&rejected(&file.join("fitness.redb")));
}

#[test]
fn open_read_only_creates_no_file() {
    let directory = TempDir::new().expect("a directory");
    let path = path_in(&directory);
    assert_open_failed(&RedbStore::open_read_only(&path).expect_err("a missing file"));
    assert!(!path.exists());
    // An empty file cannot be read, but may be overwritten.
    fs::write(&path, "").expect("a file");
    assert_open_failed(&RedbStore::open_read_only(&path).expect_err("an empty file"));
    assert_eq!(fs::read(&path).expect("a file"), b"");
    drop(RedbStore::open(&path).expect("an empty file is treated as a new one"));
    let store = RedbStore::open_read_only(&path).expect("the created file");
    assert_eq!(block_on(store.observers()).expect("an answer"), []);
}

/// Has no effect for root, whom permissions do not restrict.
#[cfg(unix)]
#[test]
fn file_without_permission_is_rejected() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = filled();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    };
    let writable = || fs::OpenOptions::new().write(true).open(&path).is_ok();
    set(&path, 0o400);
    if writable() {
        return set(&path, 0o600);
    }
    let error = RedbStore::open(&path).expect_err("a read-only file");
    assert_open_failed(&error);
    let store = RedbStore::open_read_only(&path).expect("a readable file");
    assert_eq!(block_on(store.peer(&OBSERVER, &node(1))).expect("an answer"), Some(peer(1)));
    drop(store);
    set(&path, 0o600);

    set(directory.path(), 0o500);
    let error = RedbStore::open(directory.path().join("new.redb")).expect_err("a read-only directory");
    set(directory.path(), 0o700);
    assert_open_failed(&error);
}

#[test]
fn second_store_is_rejected() {
    let (_directory, path) = filled();
    let store = RedbStore::open(&path).expect("a store");
    let error = rejected(&path);
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    block_on(store.commit(&OBSERVER, batch())).expect("the first store still works");
    drop(store);

    let readers = [RedbStore::open_read_only(&path), RedbStore::open_read_only(&path)];
    let readers = readers.map(|reader| reader.expect("several readers"));
    let error = RedbStore::open(&path).expect_err("a file with readers");
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    for reader in &readers {
        let error = block_on(reader.commit(&OBSERVER, batch())).expect_err("a read-only store");
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        assert_eq!(block_on(reader.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
    }
    drop(readers);
    drop(RedbStore::open(&path).expect("a file that is not open"));
}

const CHILD: &str = "FITNESS_TEST_LOCK_FILE";

/// Runs in the child process of the test below, with the path of the file to lock in the environment. In
/// the test run itself it does nothing.
#[test]
fn child_process_locks_a_file() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = RedbStore::open(PathBuf::from(path)).expect("a store");
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
    println!("locked");
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    // As in a crash, nothing is closed.
    std::process::exit(0);
}

#[test]
fn file_of_another_process_is_rejected() {
    use std::io::{BufRead, BufReader};
    let directory = TempDir::new().expect("a directory");
    let path = path_in(&directory);
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_process_locks_a_file", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(
        lines.any(|line| line.expect("a line").ends_with("locked")),
        "the child process did not lock the file"
    );

    let error = rejected(&path);
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");

    // The process ends with its standard input.
    drop(child.stdin.take());
    child.wait().expect("the process ended");
    let store = RedbStore::open(&path).expect("the lock ended with the process");
    assert_eq!(block_on(store.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
}

/// Changes the value of a row through redb, so that redb's own checksums are valid.
fn tamper<const N: usize>(path: &Path, table: &str, change: impl Fn(&mut Vec<u8>)) {
    let database = Database::open(path).expect("a database");
    let definition: TableDefinition<'_, &[u8; N], &[u8]> = TableDefinition::new(table);
    let first = {
        let transaction = database.begin_read().expect("a transaction");
        let table = transaction.open_table(definition).expect("a table");
        let mut rows = redb::ReadableTable::iter(&table).expect("rows");
        let (key, value) = rows.next().expect("a row").expect("a row");
        (*key.value(), value.value().to_vec())
    };
    let (key, mut value) = first;
    change(&mut value);
    let transaction = database.begin_write().expect("a transaction");
    transaction.open_table(definition).expect("a table").insert(&key, &*value).expect("an insert");
    transaction.commit().expect("a commit");
}

#[test]
fn damaged_record_is_named() {
    let (_directory, path) = filled();
    tamper::<66>(&path, "peers", |value| value[7] ^= 1);
    tamper::<70>(&path, "segments", |value| value.truncate(20));
    tamper::<33>(&path, "observers", |value| value[0] = 0xee);
    tamper::<37>(&path, "gaps", |value| value[1] ^= 1);
    let store = RedbStore::open(&path).expect("an intact file");
    let first = node(1).to_string();

    let page = block_on(store.peers(&OBSERVER, None, 10)).expect_err("a damaged record");
    let alone = block_on(store.peer(&OBSERVER, &node(1))).expect_err("a damaged record");
    let log = block_on(store.segments(&OBSERVER, &node(1), 0, 10)).expect_err("a damaged record");
    for error in [page, alone, log] {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(!error.is_transient());
        let text = error.to_string();
        assert!(text.contains(&first) && text.contains("fitness.redb"), "{text}");
    }
    let observer = block_on(store.observer(&OBSERVER)).expect_err("a damaged record");
    assert!(observer.to_string().contains(&OBSERVER.to_string()), "{observer}");
    let gaps = block_on(store.gaps(&OBSERVER, 0, 10)).expect_err("a damaged record");
    assert!(matches!(gaps, StoreError::Corrupt { .. }), "{gaps:?}");
    assert!(gaps.to_string().contains('5'), "{gaps}");
    assert_eq!(block_on(store.gaps(&OBSERVER, 6, 10)).expect("the next gap"), [gap(6)]);
    // The other records can still be read, and the damaged peer can be forgotten.
    assert_eq!(block_on(store.peers(&OBSERVER, Some(&node(1)), 1_000)).expect("a page").len(), 198);
    let changes = UnsavedChanges { forgotten_peers: vec![node(1)], ..UnsavedChanges::default() };
    let forget = Batch { changes, prune_gaps_before: Some(6), ..Batch::default() };
    block_on(store.commit(&OBSERVER, Arc::new(forget))).expect("a commit");
    assert_eq!(block_on(store.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 198);
    assert_eq!(block_on(store.gaps(&OBSERVER, 0, 10)).expect("the gaps"), [gap(6)]);
}

#[test]
fn record_of_newer_format_is_distinguished_from_damage() {
    let (_directory, path) = filled();
    tamper::<66>(&path, "peers", |value| {
        value[0] = 3;
        let end = value.len() - 4;
        let checksum = crc32fast::hash(&[b"P".as_slice(), &node(1).0, &value[..end]].concat());
        value[end..].copy_from_slice(&checksum.to_le_bytes());
    });
    let store = RedbStore::open(&path).expect("an intact file");
    let error = block_on(store.peers(&OBSERVER, None, 10)).expect_err("a newer record");
    assert!(matches!(error, StoreError::NewerFormat { found: 3, supported: 2, .. }), "{error:?}");
    assert!(error.to_string().contains(&node(1).to_string()), "{error}");
}

/// A reader repairs the file in memory, a writer on disk.
#[test]
fn file_that_was_not_closed_is_repaired() {
    let (_directory, path) = crashed();
    let before = fs::read(&path).expect("a file");
    let reader = RedbStore::open_read_only(&path).expect("a repaired file");
    assert_eq!(block_on(reader.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
    let error = block_on(reader.commit(&OBSERVER, batch())).expect_err("a read-only store");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    drop(reader);
    assert!(fs::read(&path).expect("a file") == before, "reading changed the file");

    let store = RedbStore::open(&path).expect("a repaired file");
    assert_eq!(block_on(store.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
}
