//! A file that cannot be opened is refused with its name, the reason and the way out, and is left
//! as it was, to the byte.

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

/// A directory with a file that was written and closed.
fn filled() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = path_in(&directory);
    let store = RedbStore::open(&path).expect("a store");
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
    (directory, path)
}

/// A directory with a copy of a file as a crash leaves it: open, and with a commit behind it.
fn crashed() -> (TempDir, PathBuf) {
    let (directory, path) = filled();
    let store = RedbStore::open(&path).expect("a store");
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
    let copy = directory.path().join("crashed.redb");
    fs::copy(&path, &copy).expect("a copy");
    (directory, copy)
}

/// Both ways to open refuse the file, by the same error, and leave it as it was.
fn refused(path: &Path) -> StoreError {
    let before = fs::read(path).ok();
    let error = RedbStore::open(path).expect_err("it was opened");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "it does not name the file: {error}");
    assert!(fs::read(path).ok() == before, "open changed the file, although it failed: {error}");
    let to_read = RedbStore::open_read_only(path).expect_err("it was opened for reading");
    assert!(fs::read(path).ok() == before, "open_read_only changed the file, although it failed: {to_read}");
    assert_eq!(to_read.to_string(), error.to_string());
    error
}

fn assert_open(error: &StoreError, reason_has: &str) {
    assert!(matches!(error, StoreError::OpenFailed { .. }), "{error:?}");
    assert!(error.to_string().contains(reason_has), "{error}");
    assert!(!error.is_transient());
}

#[test]
fn files_of_others_are_left_alone() {
    let random: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let contents: [(&str, Vec<u8>); 7] = [
        ("text", b"channel,uptime\n1,2\n".to_vec()),
        ("one byte", vec![b'r']),
        ("short zeros", vec![0; 20]),
        ("most of a magic number", b"redb\x1a\x0a\xa9\x0d".to_vec()),
        ("random bytes", random),
        ("zeros with something at the end", [vec![0; 8_191], vec![1]].concat()),
        ("zeros that are no file of redb's", [vec![0; 9], vec![7; 60], vec![0; 9_000]].concat()),
    ];
    for (name, bytes) in contents {
        let directory = TempDir::new().expect("a directory");
        fs::write(path_in(&directory), bytes).expect("a file");
        let error = refused(&path_in(&directory));
        assert!(error.to_string().contains("it is no fitness database"), "{name}: {error}");
        assert_open(&error, "choose another path");
    }
}

/// The magic number alone, or with nonsense behind it.
#[test]
fn a_redb_file_of_nonsense_is_damaged() {
    for rest in [0, 10, 311, 5_000] {
        for byte in [0, 0xff] {
            let directory = TempDir::new().expect("a directory");
            let bytes = [b"redb\x1a\x0a\xa9\x0d\x0a".to_vec(), vec![byte; rest]].concat();
            fs::write(path_in(&directory), bytes).expect("a file");
            let error = refused(&path_in(&directory));
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        }
    }
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    const THEIRS: TableDefinition<'_, &str, u64> = TableDefinition::new("theirs");
    const PEERS: TableDefinition<'_, u64, u64> = TableDefinition::new("peers");
    const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
    for table in 0..3 {
        let directory = TempDir::new().expect("a directory");
        {
            let database = Database::create(path_in(&directory)).expect("a database");
            let transaction = database.begin_write().expect("a transaction");
            match table {
                0 => drop(transaction.open_table(THEIRS).expect("a table").insert("a", 1)),
                1 => drop(transaction.open_table(PEERS).expect("a table").insert(1, 1)),
                _ => drop(transaction.open_table(META).expect("a table").insert("format", "x")),
            }
            transaction.commit().expect("a commit");
        }
        assert_open(&refused(&path_in(&directory)), "the database of another program");
    }
}

/// Whether it was closed properly or not.
#[test]
fn a_later_format_is_left_alone() {
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
        let error = refused(&path);
        assert!(matches!(error, StoreError::NewerFormat { found: 7, supported: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("use the release that wrote it"), "{error}");
    }
}

/// Wherever a file is cut off, after a clean end or a crash, what is left is not taken for the whole.
#[test]
fn a_truncated_file_is_damaged() {
    for (_directory, path) in [filled(), crashed()] {
        let whole = fs::read(&path).expect("a file");
        let lengths = [9, 100, 320, 321, 4_095, 4_096, 4_097, 8_192, whole.len() / 2, whole.len() - 1];
        let pages = (0..whole.len()).step_by(4_096 * 4);
        for len in lengths.into_iter().chain(pages).filter(|&len| len > 0) {
            fs::write(&path, &whole[..len]).expect("a shorter file");
            let error = refused(&path);
            assert!(matches!(error, StoreError::Corrupt { .. }), "{len} bytes of {}: {error:?}", whole.len());
            assert!(error.to_string().contains("restore a backup"), "{error}");
        }
    }
}

/// No byte of the file, changed behind redb's back, makes anything panic. Not all of it is in use,
/// and not all of it is looked at when the file is opened.
#[test]
fn a_changed_byte_never_panics() {
    let (directory, path) = filled();
    let whole = fs::read(&path).expect("a file");
    let used = whole.len() - whole.iter().rev().take_while(|&&byte| byte == 0).count();
    // What redb panics about on the threads of `blocking` is expected, and not captured.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !std::thread::current().name().is_some_and(|name| name.starts_with("blocking")) {
            hook(info);
        }
    }));
    let mut noticed = 0;
    for offset in (0..320).chain((320..used).step_by(613)) {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x55;
        // In memory, where a sync takes no time; now and then in a file, which is opened otherwise.
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
        let answers = opened.and_then(|store| {
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
        match answers {
            // A byte of the tree's own may hide a row, but never make one up.
            Ok(peers) => assert!(peers.iter().all(|found| *found == peer(found.node_id.0[0])), "at {offset}"),
            Err(error) => {
                assert!(error.to_string().contains("damaged.redb"), "at {offset}: {error}");
                noticed += 1;
            }
        }
    }
    assert!(noticed > 20, "only {noticed} were noticed");
}

#[test]
fn a_path_that_leads_nowhere() {
    let directory = TempDir::new().expect("a directory");
    let missing = directory.path().join("missing").join("fitness.redb");
    assert_open(&refused(&missing), "create the directory");
    assert!(!missing.parent().expect("a parent").exists(), "no directory was created");

    assert_open(&refused(directory.path()), "it is a directory");

    let file = directory.path().join("file");
    fs::write(&file, "text").expect("a file");
    assert_open(&refused(&file.join("fitness.redb")), "no directory");
}

#[test]
fn only_open_creates() {
    let directory = TempDir::new().expect("a directory");
    let path = path_in(&directory);
    assert_open(&RedbStore::open_read_only(&path).expect_err("there is none"), "no such file");
    assert!(!path.exists());
    // An empty file holds nothing to read, and nothing to lose.
    fs::write(&path, "").expect("a file");
    assert_open(&RedbStore::open_read_only(&path).expect_err("it is empty"), "no fitness database");
    assert_eq!(fs::read(&path).expect("a file"), b"");
    drop(RedbStore::open(&path).expect("an empty file is as good as none"));
    let store = RedbStore::open_read_only(&path).expect("it is there now");
    assert_eq!(block_on(store.observers()).expect("an answer"), []);
}

/// Where permissions count (they do not to root), a file or directory without them is refused.
#[cfg(unix)]
#[test]
fn a_file_without_permission_is_refused() {
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
    let error = RedbStore::open(&path).expect_err("it may not be written");
    assert_open(&error, "permissions");
    let store = RedbStore::open_read_only(&path).expect("it may be read");
    assert_eq!(block_on(store.peer(&OBSERVER, &node(1))).expect("an answer"), Some(peer(1)));
    drop(store);
    set(&path, 0o600);

    set(directory.path(), 0o500);
    let error = RedbStore::open(directory.path().join("new.redb")).expect_err("it may not be created");
    set(directory.path(), 0o700);
    assert_open(&error, "permissions");
}

#[test]
fn a_second_handle_is_refused() {
    let (_directory, path) = filled();
    let store = RedbStore::open(&path).expect("a store");
    let error = refused(&path);
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    block_on(store.commit(&OBSERVER, batch())).expect("the first one goes on");
    drop(store);

    let readers = [RedbStore::open_read_only(&path), RedbStore::open_read_only(&path)];
    let readers = readers.map(|reader| reader.expect("readers share"));
    let error = RedbStore::open(&path).expect_err("it is being read");
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    for reader in &readers {
        let error = block_on(reader.commit(&OBSERVER, batch())).expect_err("it is for reading");
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        assert_eq!(block_on(reader.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
    }
    drop(readers);
    drop(RedbStore::open(&path).expect("nobody has it any more"));
}

const CHILD: &str = "FITNESS_TEST_HOLDS";

/// The other process of the test below: this test binary again, told to hold a file.
#[test]
fn holds_a_file_if_it_is_told_to() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = RedbStore::open(PathBuf::from(path)).expect("a store");
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
    println!("holding");
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    // As a crash: nothing is closed.
    std::process::exit(0);
}

#[test]
fn a_file_of_another_process_is_refused() {
    use std::io::{BufRead, BufReader};
    let directory = TempDir::new().expect("a directory");
    let path = path_in(&directory);
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "holds_a_file_if_it_is_told_to", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("a line").ends_with("holding")), "it never held the file");

    let error = refused(&path);
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("in use by another process"), "{error}");

    // Its standard input ends, and with it the process.
    drop(child.stdin.take());
    child.wait().expect("it ended");
    let store = RedbStore::open(&path).expect("the lock went with the process");
    assert_eq!(block_on(store.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
}

/// Changes the value of a row through redb itself, so that its own checksums are right.
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
fn a_damaged_record_is_named() {
    let (_directory, path) = filled();
    tamper::<66>(&path, "peers", |value| value[7] ^= 1);
    tamper::<70>(&path, "segments", |value| value.truncate(20));
    tamper::<33>(&path, "observers", |value| value[0] = 0xee);
    tamper::<37>(&path, "gaps", |value| value[1] ^= 1);
    let store = RedbStore::open(&path).expect("the file is sound");
    let first = node(1).to_string();

    let page = block_on(store.peers(&OBSERVER, None, 10)).expect_err("a damaged record");
    let alone = block_on(store.peer(&OBSERVER, &node(1))).expect_err("a damaged record");
    let log = block_on(store.segments(&OBSERVER, &node(1), 0, 10)).expect_err("a damaged record");
    for error in [page, alone, log] {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(!error.is_transient());
        let text = error.to_string();
        assert!(text.contains(&first) && text.contains("fitness.redb"), "{text}");
        assert!(text.contains("restore a backup"), "{text}");
    }
    let observer = block_on(store.observer(&OBSERVER)).expect_err("a damaged record");
    assert!(observer.to_string().contains("the record of observer"), "{observer}");
    let gaps = block_on(store.gaps(&OBSERVER, 0, 10)).expect_err("a damaged record");
    assert!(matches!(gaps, StoreError::Corrupt { .. }), "{gaps:?}");
    assert!(gaps.to_string().contains("gap 5"), "{gaps}");
    assert_eq!(block_on(store.gaps(&OBSERVER, 6, 10)).expect("the next one"), [gap(6)]);
    // The others are read as ever, and the damaged one can be forgotten.
    assert_eq!(block_on(store.peers(&OBSERVER, Some(&node(1)), 1_000)).expect("a page").len(), 198);
    let changes = UnsavedChanges { forgotten_peers: vec![node(1)], ..UnsavedChanges::default() };
    let forget = Batch { changes, prune_gaps_before: Some(6), ..Batch::default() };
    block_on(store.commit(&OBSERVER, Arc::new(forget))).expect("a commit");
    assert_eq!(block_on(store.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 198);
    assert_eq!(block_on(store.gaps(&OBSERVER, 0, 10)).expect("the gaps"), [gap(6)]);
}

#[test]
fn a_record_of_a_later_format_is_told_from_damage() {
    let (_directory, path) = filled();
    tamper::<66>(&path, "peers", |value| {
        value[0] = 3;
        let end = value.len() - 4;
        let checksum = crc32fast::hash(&[b"P".as_slice(), &node(1).0, &value[..end]].concat());
        value[end..].copy_from_slice(&checksum.to_le_bytes());
    });
    let store = RedbStore::open(&path).expect("the file is sound");
    let error = block_on(store.peers(&OBSERVER, None, 10)).expect_err("a later record");
    assert!(matches!(error, StoreError::NewerFormat { found: 3, supported: 2, .. }), "{error:?}");
    assert!(error.to_string().contains(&node(1).to_string()), "{error}");
}

/// To read it as well, for whoever looks at the history of a node that is down; and then in memory.
#[test]
fn a_file_that_was_not_closed_is_repaired() {
    let (_directory, path) = crashed();
    let before = fs::read(&path).expect("a file");
    let reader = RedbStore::open_read_only(&path).expect("it is repaired");
    assert_eq!(block_on(reader.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
    let error = block_on(reader.commit(&OBSERVER, batch())).expect_err("it is for reading");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    drop(reader);
    assert!(fs::read(&path).expect("a file") == before, "reading changed the file");

    let store = RedbStore::open(&path).expect("it is repaired");
    assert_eq!(block_on(store.peers(&OBSERVER, None, 1_000)).expect("a page").len(), 199);
    block_on(store.commit(&OBSERVER, batch())).expect("a commit");
}
