//! Sample records and batches.

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, GapTotals, ImportSource, Imported, Ledger, LogEntry,
    LogSegment, NodeId, ObserverRecord, OutPoint, PeerRecord, Presence, SEGMENT_ENTRIES, Totals,
    UnsavedChanges,
};

use crate::{Batch, LogReplacement};

/// The observer that most cases use.
pub(super) const OBSERVER: NodeId = NodeId([3; 33]);
/// A second observer.
pub(super) const OTHER_OBSERVER: NodeId = NodeId([4; 33]);

pub(super) const PRESENCES: [Presence; 3] = [Presence::Unobserved, Presence::Offline, Presence::Online];

pub(super) const USABLE_STATES: [Option<bool>; 3] = [None, Some(false), Some(true)];

/// Returns the node id for a number. Ids are ordered like the numbers.
pub(super) fn node(number: u32) -> NodeId {
    let mut bytes = [0; 33];
    bytes[0] = 2;
    bytes[1..5].copy_from_slice(&number.to_be_bytes());
    bytes[32] = 7;
    NodeId(bytes)
}

/// Returns a record of peer `number`. Its fields depend on the number and the version.
pub(super) fn peer(number: u32, version: u32) -> PeerRecord {
    let (n, v) = (u64::from(number), u64::from(version));
    let base_ns = 1_700_000_000_000_000_000 + n * 1_000_003 + v * 11;
    let totals = Totals { online_ns: n * 17 + v, observed_ns: n * 19 + v * 2 };
    let presences = PRESENCES.iter().cycle();
    PeerRecord {
        node_id: node(number),
        watched: (number + version) % 2 == 0,
        in_reconnect_grace: (number + version) % 3 == 0,
        tracked_since_ns: base_ns,
        presence: presences.skip((number % 3) as usize).copied().next().unwrap_or_default(),
        presence_since_ns: base_ns + 5,
        totals,
        flap_count: version,
        last_flap_ns: (number % 4 != 0).then_some(base_ns + 3),
        disconnects: number.wrapping_add(version),
        log_end: version,
        imported: (number % 5 == 0).then_some(Imported {
            source: ImportSource::Lnd,
            at_ns: base_ns + 1,
            totals: Totals { online_ns: n * 7 + v, observed_ns: n * 11 + v },
            flap_count: number.wrapping_mul(3).wrapping_add(version),
        }),
        channels: (0..number % 3).map(|index| channel(number, index, version, totals)).collect(),
    }
}

pub(super) fn channel(number: u32, index: u32, version: u32, opened_totals: Totals) -> ChannelRecord {
    let mut id = [5; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    id[4..8].copy_from_slice(&index.to_le_bytes());
    let opened_at_ns = 1_600_000_000_000_000_000 + u64::from(number);
    let usable_ns = u64::from(number) * 23 + u64::from(index) * 5 + u64::from(version);
    let totals = Totals { online_ns: usable_ns, observed_ns: usable_ns * 2 };
    let presence = PRESENCES[((number + index + version) % 3) as usize];
    ChannelRecord {
        channel_id: ChannelId(id),
        funding: (index % 2 == 0).then_some(OutPoint { txid: id, vout: index }),
        opened_at_ns,
        opened_totals,
        reported_usable: USABLE_STATES[((number + index + version + 1) % 3) as usize],
        usable_ledger: Ledger::from_parts(presence, opened_at_ns + usable_ns * 3, totals),
    }
}

/// Returns segment `index` of a peer's log, with `entries` entries whose totals depend on the version.
pub(super) fn segment(number: u32, index: u32, entries: u32, version: u32) -> LogSegment {
    let first = index * SEGMENT_ENTRIES;
    let entry = |position: u32| {
        let moment = u64::from(first) + u64::from(position);
        let totals = Totals { online_ns: moment * 3, observed_ns: moment * 5 + u64::from(version) };
        let presence = if position % 2 == 0 { Presence::Online } else { Presence::Offline };
        LogEntry::new(1_700_000_000_000_000_000 + moment * 1_000, presence, totals)
    };
    LogSegment { node_id: node(number), first_number: first, entries: (0..entries).map(entry).collect() }
}

/// Returns an observer's record whose fields all depend on the version.
pub(super) fn observer_record(version: u64) -> ObserverRecord {
    let small = u32::try_from(version % 1_000).unwrap_or_default();
    let cause = GapCause::ALL[small as usize % GapCause::ALL.len()];
    ObserverRecord {
        started_at_ns: 1_000 + version,
        last_heartbeat_ns: 2_000 + version,
        first_started_at_ns: 500 + version,
        starts: 1 + small,
        clock_ahead_ns: if small % 2 == 0 { -1 } else { 1 } * (3_000 + i64::from(small)),
        gap_count: 10 + small,
        gap_totals: [2, 3, 5, 7]
            .map(|n| GapTotals { count: n + small, length_ns: version * 11 + u64::from(n) }),
        ongoing_gap: (version % 3 != 0).then_some((cause, 1_500 + version)),
    }
}

/// Returns the gap with the given number. Its other fields depend on the version.
pub(super) fn gap(number: u32, version: u32) -> GapRecord {
    let from_ns = 1_700_000_000_000_000_000 + u64::from(number) * 1_000 + u64::from(version) * 10;
    let cause = GapCause::ALL[(number.wrapping_add(version) % 4) as usize];
    GapRecord { number, cause, from_ns, to_ns: from_ns + u64::from(version) }
}

/// Returns a replacement of the segments below index `below` in a peer's log.
pub(super) fn replacement(
    number: u32,
    below: u32,
    segments: impl IntoIterator<Item = LogSegment>,
) -> LogReplacement {
    LogReplacement { node_id: node(number), below_index: below, segments: segments.into_iter().collect() }
}

pub(super) fn peers_batch(peers: impl IntoIterator<Item = PeerRecord>) -> Batch {
    Batch {
        changes: UnsavedChanges { peers: peers.into_iter().collect(), ..UnsavedChanges::default() },
        ..Batch::default()
    }
}

pub(super) fn gaps_batch(gaps: impl IntoIterator<Item = GapRecord>) -> Batch {
    Batch {
        changes: UnsavedChanges { gaps: gaps.into_iter().collect(), ..UnsavedChanges::default() },
        ..Batch::default()
    }
}

pub(super) fn replacing_batch(replacements: impl IntoIterator<Item = LogReplacement>) -> Batch {
    Batch { replacements: replacements.into_iter().collect(), ..Batch::default() }
}

pub(super) fn forgetting_batch(forgotten: impl IntoIterator<Item = NodeId>) -> Batch {
    Batch {
        changes: UnsavedChanges {
            forgotten_peers: forgotten.into_iter().collect(),
            ..UnsavedChanges::default()
        },
        ..Batch::default()
    }
}

pub(super) fn segments_batch(segments: impl IntoIterator<Item = LogSegment>) -> Batch {
    Batch {
        changes: UnsavedChanges { segments: segments.into_iter().collect(), ..UnsavedChanges::default() },
        ..Batch::default()
    }
}

pub(super) fn observer_batch(record: ObserverRecord) -> Batch {
    Batch { observer: Some(record), ..Batch::default() }
}
