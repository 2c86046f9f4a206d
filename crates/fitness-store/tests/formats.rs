//! Tests that every released format of the records can still be read.
//!
//! The fixtures were produced by an independent program from the tables in the documentation of the codec.
//! Never change them: a new format gets its own file.

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, GapTotals, ImportSource, Imported, Ledger, LogEntry,
    LogSegment, NodeId, ObserverRecord, OutPoint, PeerRecord, Presence, Totals,
};
use fitness_store::codec::{
    FORMAT_VERSION, decode_gap, decode_observer, decode_peer, decode_segment, encode_gap, encode_observer,
    encode_peer, encode_segment,
};

const FORMAT_1: &str = include_str!("fixtures/format-1.txt");
const FORMAT_2: &str = include_str!("fixtures/format-2.txt");

fn decode_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

/// Returns the lines of a fixture that start with `kind`, each as the words of its key and its value.
fn lines(fixture: &'static str, kind: &str) -> Vec<(Vec<&'static str>, Vec<u8>)> {
    let lines = fixture.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let lines = lines.filter(|words| words[0] == kind);
    lines
        .map(|words| {
            let (value, key) = words[1..].split_last().expect("a value");
            (key.to_vec(), decode_hex(value))
        })
        .collect()
}

fn id(key: &[&str]) -> NodeId {
    key[0].parse().expect("an id")
}

fn number(key: &[&str]) -> u32 {
    key[key.len() - 1].parse().expect("a number")
}

fn ascending<const N: usize>(start: u8) -> [u8; N] {
    std::array::from_fn(|index| start + u8::try_from(index).expect("a short array"))
}

fn ordinary_id() -> NodeId {
    let mut id = ascending(0);
    id[0] = 2;
    NodeId(id)
}

const SECOND: u64 = 1_000_000_000;
const T: u64 = 1_700_000_000 * SECOND;
const LARGEST: Totals = Totals { online_ns: Totals::LIMIT_NS, observed_ns: Totals::LIMIT_NS };

/// Returns the peers of the format 1 fixture. The format 2 fixture has the same peers with more fields, and
/// one more channel.
fn peers_of_format_1() -> Vec<PeerRecord> {
    let funded = ChannelRecord {
        channel_id: ChannelId(ascending(0)),
        funding: Some(OutPoint { txid: ascending(100), vout: 7 }),
        opened_at_ns: T + SECOND,
        opened_totals: Totals { online_ns: 1, observed_ns: 2 },
        reported_usable: None,
        usable_ledger: Ledger::starting(T + SECOND),
    };
    let unfunded = ChannelRecord {
        channel_id: ChannelId([10; 32]),
        funding: None,
        opened_at_ns: T + 2 * SECOND,
        opened_totals: Totals { online_ns: 3, observed_ns: 4 },
        reported_usable: None,
        usable_ledger: Ledger::starting(T + 2 * SECOND),
    };
    let ordinary = PeerRecord {
        node_id: ordinary_id(),
        watched: true,
        in_reconnect_grace: false,
        tracked_since_ns: T,
        presence: Presence::Online,
        presence_since_ns: T + 360 * SECOND,
        totals: Totals { online_ns: 250 * SECOND, observed_ns: 300 * SECOND },
        flap_count: 4,
        last_flap_ns: Some(T + 350 * SECOND),
        disconnects: 2,
        log_end: 9,
        imported: None,
        channels: vec![funded, unfunded],
    };
    let small = PeerRecord {
        node_id: NodeId([3; 33]),
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: 5,
        presence: Presence::Offline,
        presence_since_ns: 6,
        totals: Totals { online_ns: 0, observed_ns: 7 },
        flap_count: 0,
        last_flap_ns: None,
        disconnects: 0,
        log_end: 0,
        imported: None,
        channels: Vec::new(),
    };
    let largest = PeerRecord {
        node_id: NodeId([0xff; 33]),
        watched: true,
        in_reconnect_grace: false,
        tracked_since_ns: u64::MAX,
        presence: Presence::Unobserved,
        presence_since_ns: u64::MAX,
        totals: LARGEST,
        flap_count: u32::MAX,
        last_flap_ns: Some(u64::MAX),
        disconnects: u32::MAX,
        log_end: u32::MAX,
        imported: None,
        channels: vec![ChannelRecord {
            channel_id: ChannelId([0xff; 32]),
            funding: Some(OutPoint { txid: [0xff; 32], vout: u32::MAX }),
            opened_at_ns: u64::MAX,
            opened_totals: LARGEST,
            reported_usable: None,
            usable_ledger: Ledger::starting(u64::MAX),
        }],
    };
    vec![ordinary, small, largest]
}

fn peers() -> Vec<PeerRecord> {
    let mut peers = peers_of_format_1();
    let totals = Totals { online_ns: 200 * SECOND, observed_ns: 299 * SECOND };
    let [funded, unfunded] = &mut peers[0].channels[..] else { panic!("two channels") };
    funded.reported_usable = Some(true);
    funded.usable_ledger = Ledger::from_parts(Presence::Online, T + 300 * SECOND, totals);
    unfunded.reported_usable = Some(false);
    unfunded.usable_ledger = Ledger::from_parts(Presence::Offline, T + 2 * SECOND, Totals::default());
    peers[1].in_reconnect_grace = true;
    peers[1].channels = vec![ChannelRecord {
        channel_id: ChannelId([11; 32]),
        funding: None,
        opened_at_ns: 5,
        opened_totals: Totals::default(),
        reported_usable: None,
        usable_ledger: Ledger::starting(5),
    }];
    peers[2].in_reconnect_grace = true;
    peers[2].channels[0].reported_usable = Some(true);
    peers[2].channels[0].usable_ledger = Ledger::from_parts(Presence::Online, u64::MAX, LARGEST);
    peers.extend(imported_peers());
    peers
}

/// Returns peers with imported values, which only format 2 can represent.
fn imported_peers() -> [PeerRecord; 2] {
    let totals = Totals { online_ns: 86_000 * SECOND, observed_ns: 86_400 * SECOND };
    let mut id = NodeId([7; 33]);
    id.0[0] = 2;
    let ordinary = PeerRecord {
        node_id: id,
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: T - 86_400 * SECOND,
        presence: Presence::Unobserved,
        presence_since_ns: T,
        totals,
        flap_count: 17,
        last_flap_ns: Some(T - 40 * SECOND),
        disconnects: 0,
        log_end: 1,
        imported: Some(Imported { source: ImportSource::Lnd, at_ns: T, totals, flap_count: 17 }),
        channels: Vec::new(),
    };
    id = NodeId([8; 33]);
    id.0[0] = 2;
    let largest = PeerRecord {
        node_id: id,
        tracked_since_ns: 5,
        presence: Presence::Online,
        presence_since_ns: 6,
        totals: Totals { online_ns: 0, observed_ns: 7 },
        flap_count: 0,
        last_flap_ns: None,
        log_end: 0,
        imported: Some(Imported {
            source: ImportSource::Lnd,
            at_ns: u64::MAX,
            totals: LARGEST,
            flap_count: u32::MAX,
        }),
        channels: vec![ChannelRecord {
            channel_id: ChannelId([12; 32]),
            funding: None,
            opened_at_ns: 5,
            opened_totals: Totals::default(),
            reported_usable: None,
            usable_ledger: Ledger::starting(5),
        }],
        ..ordinary.clone()
    };
    [ordinary, largest]
}

/// Returns the segments of both fixtures.
fn segments() -> Vec<LogSegment> {
    let entry = |at_ns, presence, online_ns, observed_ns| {
        LogEntry::new(at_ns, presence, Totals { online_ns, observed_ns })
    };
    let ordinary = LogSegment {
        node_id: ordinary_id(),
        first_number: 3 * 64 + 5,
        entries: vec![
            entry(1_000, Presence::Online, 10, 20),
            entry(1_000, Presence::Offline, 15, 25),
            entry(2_000, Presence::Unobserved, 15, 30),
        ],
    };
    let last = LogSegment {
        node_id: NodeId([0xff; 33]),
        first_number: u32::MAX,
        entries: vec![LogEntry::new(u64::MAX, Presence::Online, LARGEST)],
    };
    vec![ordinary, last]
}

fn observers() -> Vec<(NodeId, ObserverRecord)> {
    let gap_totals = |count, length_ns| GapTotals { count, length_ns };
    let ordinary = ObserverRecord {
        started_at_ns: T,
        last_heartbeat_ns: T + 600 * SECOND,
        first_started_at_ns: T - SECOND,
        starts: 3,
        clock_ahead_ns: -5_000_000_000,
        gap_count: 14,
        gap_totals: [gap_totals(2, 10), gap_totals(3, 20), gap_totals(4, 30), gap_totals(5, 40)],
        ongoing_gap: Some((GapCause::NetworkDown, T + 590 * SECOND)),
    };
    let small = ObserverRecord { started_at_ns: 5, last_heartbeat_ns: 6, ..ObserverRecord::default() };
    let largest = ObserverRecord {
        started_at_ns: u64::MAX,
        last_heartbeat_ns: u64::MAX,
        first_started_at_ns: u64::MAX,
        starts: u32::MAX,
        clock_ahead_ns: i64::MAX,
        gap_count: u32::MAX,
        gap_totals: [gap_totals(u32::MAX, u64::MAX); 4],
        ongoing_gap: Some((GapCause::Paused, u64::MAX)),
    };
    vec![(ordinary_id(), ordinary), (NodeId([3; 33]), small), (NodeId([0xff; 33]), largest)]
}

fn gaps() -> Vec<GapRecord> {
    let gap = |number, cause, from_ns, to_ns| GapRecord { number, cause, from_ns, to_ns };
    vec![
        gap(0, GapCause::NotRunning, 0, 0),
        gap(1, GapCause::Suspended, T, T + SECOND),
        gap(70_000, GapCause::NetworkDown, T + 2 * SECOND, T + 5 * SECOND),
        gap(u32::MAX, GapCause::Paused, 0, u64::MAX),
    ]
}

fn read_peers(fixture: &'static str) -> Vec<PeerRecord> {
    let lines = lines(fixture, "peer").into_iter();
    lines.map(|(key, value)| decode_peer(&id(&key), &value).expect("a peer")).collect()
}

fn read_segments(fixture: &'static str) -> Vec<LogSegment> {
    let lines = lines(fixture, "segment").into_iter();
    lines.map(|(key, value)| decode_segment(&id(&key), number(&key), &value).expect("a segment")).collect()
}

fn read_observers(fixture: &'static str) -> Vec<(NodeId, ObserverRecord)> {
    let lines = lines(fixture, "observer").into_iter();
    lines.map(|(key, value)| (id(&key), decode_observer(&id(&key), &value).expect("an observer"))).collect()
}

/// Fields that format 1 does not have get neutral values: no gaps, and no observed usability.
#[test]
fn format_1_can_be_read() {
    assert_eq!(read_peers(FORMAT_1), peers_of_format_1());
    assert_eq!(read_segments(FORMAT_1), segments());
    let observer = ObserverRecord {
        started_at_ns: T,
        last_heartbeat_ns: T + 600 * SECOND,
        first_started_at_ns: T,
        starts: 1,
        ..ObserverRecord::default()
    };
    assert_eq!(read_observers(FORMAT_1), [(ordinary_id(), observer)]);
}

#[test]
fn format_2_can_be_read() {
    assert_eq!(read_peers(FORMAT_2), peers());
    assert_eq!(read_segments(FORMAT_2), segments());
    assert_eq!(read_observers(FORMAT_2), observers());
    let lines = lines(FORMAT_2, "gap").into_iter();
    let read = lines.map(|(key, value)| decode_gap(number(&key), &value).expect("a gap"));
    assert_eq!(read.collect::<Vec<_>>(), gaps());
}

fn assert_encodes_to_fixture<T>(kind: &str, records: &[T], encode: impl Fn(&T, &mut Vec<u8>)) {
    let lines = lines(FORMAT_2, kind);
    assert_eq!(lines.len(), records.len());
    for (record, (key, value)) in records.iter().zip(lines) {
        let mut encoded = Vec::new();
        encode(record, &mut encoded);
        assert_eq!(encoded, value, "{kind} {key:?}");
    }
}

/// Encoding reproduces the fixture exactly as long as format 2 is the current format.
#[test]
fn format_2_is_written_exactly() {
    assert_eq!(
        FORMAT_VERSION, 2,
        "remove this test when the format changes; keep the tests that read old formats"
    );
    assert_encodes_to_fixture("peer", &peers(), |peer, out| encode_peer(peer, out).expect("a valid record"));
    assert_encodes_to_fixture("segment", &segments(), |segment, out| {
        encode_segment(segment, out).expect("a valid record");
    });
    assert_encodes_to_fixture("observer", &observers(), |(id, record), out| {
        encode_observer(id, record, out).expect("a valid record");
    });
    assert_encodes_to_fixture("gap", &gaps(), |gap, out| encode_gap(gap, out).expect("a valid record"));
}

/// Encoding a record that was read from format 1 writes the same record in the current format.
#[test]
fn format_1_records_are_rewritten_in_the_current_format() {
    for peer in read_peers(FORMAT_1) {
        let mut encoded = Vec::new();
        encode_peer(&peer, &mut encoded).expect("a valid record");
        assert_eq!(encoded[0], FORMAT_VERSION);
        assert_eq!(decode_peer(&peer.node_id, &encoded), Ok(peer));
    }
    for (id, record) in read_observers(FORMAT_1) {
        let mut encoded = Vec::new();
        encode_observer(&id, &record, &mut encoded).expect("a valid record");
        assert_eq!(encoded[0], FORMAT_VERSION);
        assert_eq!(decode_observer(&id, &encoded), Ok(record));
    }
}
