//! Bytes of every released format are read by every later release.
//!
//! The fixtures were made by another program, from the tables in the documentation of the codec.
//! They must never be changed: a new format gets a file of its own.

use fitness_core::{
    ChannelId, ChannelRecord, LogEntry, LogSegment, NodeId, ObserverRecord, OutPoint, PeerRecord, Presence,
    Totals,
};
use fitness_store::codec::{
    FORMAT, decode_observer, decode_peer, decode_segment, encode_observer, encode_peer, encode_segment,
};

const FORMAT_1: &str = include_str!("fixtures/format-1.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

/// The words of the fixture's lines that start with `kind`: the id, what else is in the key, the value.
fn lines(kind: &str) -> Vec<(NodeId, Vec<&'static str>, Vec<u8>)> {
    let lines = FORMAT_1.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let lines = lines.filter(|words| words[0] == kind);
    lines
        .map(|words| {
            let (id, value) = (words[1].parse().expect("an id"), words.last().expect("a value"));
            (id, words[2..words.len() - 1].to_vec(), bytes(value))
        })
        .collect()
}

fn ascending<const N: usize>(start: u8) -> [u8; N] {
    std::array::from_fn(|index| start + u8::try_from(index).expect("a short array"))
}

fn ordinary_id() -> NodeId {
    let mut id = ascending(0);
    id[0] = 2;
    NodeId(id)
}

const LARGEST: Totals = Totals { online_ns: Totals::LIMIT_NS, observed_ns: Totals::LIMIT_NS };

fn peers() -> Vec<PeerRecord> {
    let funded = ChannelRecord {
        channel_id: ChannelId(ascending(0)),
        funding: Some(OutPoint { txid: ascending(100), vout: 7 }),
        opened_at_ns: 1_700_000_001_000_000_000,
        opened_totals: Totals { online_ns: 1, observed_ns: 2 },
    };
    let unfunded = ChannelRecord {
        channel_id: ChannelId([10; 32]),
        funding: None,
        opened_at_ns: 1_700_000_002_000_000_000,
        opened_totals: Totals { online_ns: 3, observed_ns: 4 },
    };
    let ordinary = PeerRecord {
        node_id: ordinary_id(),
        watched: true,
        awaited: false,
        first_seen_ns: 1_700_000_000_000_000_000,
        presence: Presence::Online,
        since_ns: 1_700_000_360_000_000_000,
        totals: Totals { online_ns: 250_000_000_000, observed_ns: 300_000_000_000 },
        flap_count: 4,
        last_flap_ns: Some(1_700_000_350_000_000_000),
        disconnects: 2,
        log_end: 9,
        channels: vec![funded, unfunded],
    };
    let small = PeerRecord {
        node_id: NodeId([3; 33]),
        watched: false,
        awaited: false,
        first_seen_ns: 5,
        presence: Presence::Offline,
        since_ns: 6,
        totals: Totals { online_ns: 0, observed_ns: 7 },
        flap_count: 0,
        last_flap_ns: None,
        disconnects: 0,
        log_end: 0,
        channels: Vec::new(),
    };
    let largest = PeerRecord {
        node_id: NodeId([0xff; 33]),
        watched: true,
        awaited: false,
        first_seen_ns: u64::MAX,
        presence: Presence::Unobserved,
        since_ns: u64::MAX,
        totals: LARGEST,
        flap_count: u32::MAX,
        last_flap_ns: Some(u64::MAX),
        disconnects: u32::MAX,
        log_end: u32::MAX,
        channels: vec![ChannelRecord {
            channel_id: ChannelId([0xff; 32]),
            funding: Some(OutPoint { txid: [0xff; 32], vout: u32::MAX }),
            opened_at_ns: u64::MAX,
            opened_totals: LARGEST,
        }],
    };
    vec![ordinary, small, largest]
}

fn segments() -> Vec<LogSegment> {
    let entry = |at_ns, presence, online_ns, observed_ns| {
        LogEntry::new(at_ns, presence, Totals { online_ns, observed_ns })
    };
    let ordinary = LogSegment {
        node_id: ordinary_id(),
        first: 3 * 64 + 5,
        entries: vec![
            entry(1_000, Presence::Online, 10, 20),
            entry(1_000, Presence::Offline, 15, 25),
            entry(2_000, Presence::Unobserved, 15, 30),
        ],
    };
    let last = LogSegment {
        node_id: NodeId([0xff; 33]),
        first: u32::MAX,
        entries: vec![LogEntry::new(u64::MAX, Presence::Online, LARGEST)],
    };
    vec![ordinary, last]
}

fn observer() -> ObserverRecord {
    ObserverRecord { started_at_ns: 1_700_000_000_000_000_000, heartbeat_ns: 1_700_000_600_000_000_000 }
}

#[test]
fn format_1_is_read() {
    let read: Vec<PeerRecord> =
        lines("peer").iter().map(|(id, _, value)| decode_peer(id, value).expect("a peer")).collect();
    assert_eq!(read, peers());

    let read = lines("segment").into_iter().map(|(id, key, value)| {
        decode_segment(&id, key[0].parse().expect("an index"), &value).expect("a segment")
    });
    assert_eq!(read.collect::<Vec<_>>(), segments());

    let (id, _, value) = lines("observer").remove(0);
    assert_eq!((id, decode_observer(&id, &value)), (ordinary_id(), Ok(observer())));
}

/// As long as format 1 is the one that is written, it is written to the byte.
#[test]
fn format_1_is_written() {
    assert_eq!(FORMAT, 1, "with a new format this test goes, and the one above stays");
    for (peer, (_, _, value)) in peers().iter().zip(lines("peer")) {
        let mut written = Vec::new();
        encode_peer(peer, &mut written).expect("a sound record");
        assert_eq!(written, value);
    }
    for (segment, (_, _, value)) in segments().iter().zip(lines("segment")) {
        let mut written = Vec::new();
        encode_segment(segment, &mut written).expect("a sound record");
        assert_eq!(written, value);
    }
    let mut written = Vec::new();
    encode_observer(&ordinary_id(), &observer(), &mut written);
    assert_eq!(written, lines("observer").remove(0).2);
}
