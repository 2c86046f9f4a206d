//! Records with the smallest and the largest possible values.

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapTotals, ImportSource, Imported, Ledger, LogEntry, NodeId,
    ObserverRecord, OutPoint, PeerRecord, Presence, Totals,
};

/// The largest totals that a record can have.
const LIMIT: Totals = Totals { online_ns: Totals::LIMIT_NS, observed_ns: Totals::LIMIT_NS };

/// Returns a peer with the smallest value in every field, and without optional values.
pub(super) const fn smallest_peer(node_id: NodeId) -> PeerRecord {
    PeerRecord {
        node_id,
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: 0,
        presence: Presence::Unobserved,
        presence_since_ns: 0,
        totals: Totals { online_ns: 0, observed_ns: 0 },
        flap_count: 0,
        last_flap_ns: None,
        disconnects: 0,
        log_end: 0,
        imported: None,
        channels: Vec::new(),
    }
}

/// Returns a peer with the largest value in every field. Its channels have the smallest and the largest values.
pub(super) fn largest_peer(node_id: NodeId) -> PeerRecord {
    let small = ChannelRecord {
        channel_id: ChannelId([0; 32]),
        funding: None,
        opened_at_ns: 0,
        opened_totals: Totals::default(),
        reported_usable: None,
        usable_ledger: Ledger::starting(0),
    };
    let large = ChannelRecord {
        channel_id: ChannelId([0xff; 32]),
        funding: Some(OutPoint { txid: [0xff; 32], vout: u32::MAX }),
        opened_at_ns: u64::MAX,
        opened_totals: LIMIT,
        reported_usable: Some(true),
        usable_ledger: Ledger::from_parts(Presence::Online, u64::MAX, LIMIT),
    };
    PeerRecord {
        node_id,
        watched: true,
        in_reconnect_grace: true,
        tracked_since_ns: u64::MAX,
        presence: Presence::Online,
        presence_since_ns: u64::MAX,
        totals: LIMIT,
        flap_count: u32::MAX,
        last_flap_ns: Some(u64::MAX),
        disconnects: u32::MAX,
        log_end: u32::MAX,
        imported: Some(Imported {
            source: ImportSource::Lnd,
            at_ns: u64::MAX,
            totals: LIMIT,
            flap_count: u32::MAX,
        }),
        channels: vec![small, large, small],
    }
}

/// Returns an observer's record with the largest value in every field.
pub(super) const fn largest_observer() -> ObserverRecord {
    ObserverRecord {
        started_at_ns: u64::MAX,
        last_heartbeat_ns: u64::MAX,
        first_started_at_ns: u64::MAX,
        starts: u32::MAX,
        clock_ahead_ns: i64::MAX,
        gap_count: u32::MAX,
        gap_totals: [GapTotals { count: u32::MAX, length_ns: u64::MAX }; 4],
        ongoing_gap: Some((GapCause::Paused, u64::MAX)),
    }
}

/// Returns entries at the earliest and latest time, with the smallest and largest totals.
pub(super) fn extreme_entries() -> [LogEntry; 3] {
    [
        LogEntry::new(0, Presence::Unobserved, Totals::default()),
        LogEntry::new(0, Presence::Offline, LIMIT),
        LogEntry::new(u64::MAX, Presence::Online, LIMIT),
    ]
}
