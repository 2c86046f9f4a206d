//! Strategies for random records, and helpers to encode them and to build values with a valid checksum.

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, GapTotals, ImportSource, Imported, Ledger, LogEntry,
    LogSegment, NodeId, ObserverRecord, OutPoint, PeerRecord, Presence, SEGMENT_ENTRIES, Totals,
};
use fitness_store::codec::{encode_gap, encode_observer, encode_peer, encode_segment};
use proptest::prelude::*;

pub(crate) fn node_ids() -> impl Strategy<Value = NodeId> {
    any::<[u8; 32]>().prop_map(|key| {
        let mut id = [2; 33];
        id[1..].copy_from_slice(&key);
        NodeId(id)
    })
}

/// Generates small, large and ordinary numbers.
pub(crate) fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0..1_000_u64, any::<u64>()]
}

pub(crate) fn totals() -> impl Strategy<Value = Totals> {
    (numbers(), numbers()).prop_map(|(a, b)| {
        let (a, b) = (a.min(Totals::LIMIT_NS), b.min(Totals::LIMIT_NS));
        Totals { online_ns: a.min(b), observed_ns: a.max(b) }
    })
}

pub(crate) fn presences() -> impl Strategy<Value = Presence> {
    any::<Option<bool>>().prop_map(Presence::from)
}

pub(crate) fn channels() -> impl Strategy<Value = ChannelRecord> {
    let funding = proptest::option::of((any::<[u8; 32]>(), any::<u32>()));
    let usability = (any::<Option<bool>>(), presences(), numbers(), totals());
    (any::<[u8; 32]>(), funding, numbers(), totals(), usability).prop_map(
        |(id, funding, opened_at_ns, opened_totals, (reported_usable, presence, since_ns, totals))| {
            ChannelRecord {
                channel_id: ChannelId(id),
                funding: funding.map(|(txid, vout)| OutPoint { txid, vout }),
                opened_at_ns,
                opened_totals,
                reported_usable,
                usable_ledger: Ledger::from_parts(presence, since_ns.max(opened_at_ns), totals),
            }
        },
    )
}

fn imported() -> impl Strategy<Value = Imported> {
    (numbers(), totals(), any::<u32>()).prop_map(|(at_ns, totals, flap_count)| Imported {
        source: ImportSource::Lnd,
        at_ns,
        totals,
        flap_count,
    })
}

pub(crate) fn peers() -> impl Strategy<Value = PeerRecord> {
    let times = (numbers(), numbers(), proptest::option::of(numbers()));
    let counts = (any::<u32>(), any::<u32>(), any::<u32>());
    let channels = proptest::collection::vec(channels(), 0..5);
    let more = (proptest::option::of(imported()), channels);
    (node_ids(), any::<[bool; 2]>(), times, presences(), totals(), counts, more).prop_map(
        |(node_id, [watched, in_reconnect_grace], times, presence, totals, counts, (imported, channels))| {
            PeerRecord {
                node_id,
                watched,
                in_reconnect_grace,
                tracked_since_ns: times.0,
                presence,
                presence_since_ns: times.1,
                totals,
                flap_count: counts.0,
                last_flap_ns: times.2,
                disconnects: counts.1,
                log_end: counts.2,
                imported,
                channels,
            }
        },
    )
}

pub(crate) fn segments() -> impl Strategy<Value = LogSegment> {
    let entries = proptest::collection::vec((numbers(), presences(), totals()), 0..=64_usize);
    (node_ids(), any::<u32>(), entries).prop_map(|(node_id, first, mut entries)| {
        entries.sort_by_key(|(at_ns, ..)| *at_ns);
        entries.truncate((SEGMENT_ENTRIES - first % SEGMENT_ENTRIES) as usize);
        let entries = entries.into_iter().map(|(at, presence, totals)| LogEntry::new(at, presence, totals));
        LogSegment { node_id, first_number: first, entries: entries.collect() }
    })
}

pub(crate) fn observers() -> impl Strategy<Value = ObserverRecord> {
    let times = (numbers(), numbers(), numbers(), any::<i64>());
    let gap_totals = any::<[(u32, u64); 4]>();
    let ongoing_gap = proptest::option::of((causes(), numbers()));
    (times, any::<u32>(), any::<u32>(), gap_totals, ongoing_gap).prop_map(
        |(
            (started_at_ns, last_heartbeat_ns, first_started_at_ns, clock_ahead_ns),
            starts,
            gap_count,
            gap_totals,
            ongoing_gap,
        )| {
            ObserverRecord {
                started_at_ns,
                last_heartbeat_ns,
                first_started_at_ns,
                starts,
                clock_ahead_ns,
                gap_count,
                gap_totals: gap_totals.map(|(count, length_ns)| GapTotals { count, length_ns }),
                ongoing_gap,
            }
        },
    )
}

pub(crate) fn causes() -> impl Strategy<Value = GapCause> {
    prop::sample::select(&GapCause::ALL[..])
}

pub(crate) fn gaps() -> impl Strategy<Value = GapRecord> {
    (any::<u32>(), causes(), numbers(), numbers()).prop_map(|(number, cause, a, b)| GapRecord {
        number,
        cause,
        from_ns: a.min(b),
        to_ns: a.max(b),
    })
}

pub(crate) fn encoded_peer(peer: &PeerRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_peer(peer, &mut bytes).expect("a valid record");
    bytes
}

pub(crate) fn encoded_segment(segment: &LogSegment) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_segment(segment, &mut bytes).expect("a valid record");
    bytes
}

pub(crate) fn encoded_observer(id: &NodeId, record: &ObserverRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_observer(id, record, &mut bytes).expect("a valid record");
    bytes
}

pub(crate) fn encoded_gap(gap: &GapRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_gap(gap, &mut bytes).expect("a valid record");
    bytes
}

/// Appends the valid checksum for the given kind and key to a value.
pub(crate) fn record_with_checksum(kind: u8, id: &NodeId, index: Option<u32>, value: &[u8]) -> Vec<u8> {
    let mut key = id.0.to_vec();
    key.extend(index.into_iter().flat_map(u32::to_le_bytes));
    with_checksum(kind, &key, value)
}

/// Appends the valid checksum of a gap to a value.
pub(crate) fn gap_with_checksum(number: u32, value: &[u8]) -> Vec<u8> {
    with_checksum(b'G', &number.to_le_bytes(), value)
}

fn with_checksum(kind: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(key);
    hasher.update(value);
    [value, &hasher.finalize().to_le_bytes()].concat()
}

/// Removes the checksum from an encoded record.
pub(crate) fn without_checksum(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() - 4].to_vec()
}
