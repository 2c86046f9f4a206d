//! Generates random events and traces.

use fitness_core::{ChannelId, ChannelOpened, Event, NodeId, OpenChannel, Snapshot, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const START: u64 = 1_700_000_000 * SECOND;
const PEERS: u8 = 5;
const CHANNELS: u8 = 7;

pub(crate) fn node(peer: u8) -> NodeId {
    NodeId([peer + 2; 33])
}

pub(crate) fn channel(chan: u8) -> ChannelId {
    ChannelId([chan; 32])
}

pub(crate) fn all_nodes() -> impl Iterator<Item = NodeId> {
    (0..PEERS).map(node)
}

pub(crate) fn all_channels() -> impl Iterator<Item = ChannelId> {
    (0..CHANNELS).map(channel)
}

// A channel always has the same peer.
fn peer_of(chan: u8) -> NodeId {
    node(chan % PEERS)
}

pub(crate) fn snapshot() -> impl Strategy<Value = Event> {
    let connected = vec(0..PEERS, 0..6).prop_map(|peers| peers.into_iter().map(node).collect());
    let listed = (vec(0..CHANNELS, 0..7), any::<[Option<bool>; 7]>()).prop_map(|(chans, usable)| {
        let open = |chan: u8| OpenChannel {
            channel_id: channel(chan),
            node_id: peer_of(chan),
            funding: None,
            usable: usable[usize::from(chan)],
        };
        chans.into_iter().map(open).collect()
    });
    (listed, connected)
        .prop_map(|(channels, connected)| Event::Snapshot(Snapshot { channels, connected, taken_at: None }))
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => (0..PEERS).prop_map(|peer| Event::PeerOnline { node_id: node(peer) }),
        10 => (0..PEERS).prop_map(|peer| Event::PeerOffline { node_id: node(peer) }),
        4 => (0..CHANNELS, any::<Option<bool>>()).prop_map(|(chan, online)| {
            Event::ChannelOpened(ChannelOpened {
                channel_id: channel(chan),
                node_id: peer_of(chan),
                funding: None,
                online,
            })
        }),
        2 => (0..CHANNELS).prop_map(|chan| Event::ChannelClosed { channel_id: channel(chan) }),
        1 => (0..PEERS).prop_map(|peer| Event::Watch { node_id: node(peer) }),
        1 => (0..PEERS).prop_map(|peer| Event::Unwatch { node_id: node(peer) }),
        1 => snapshot(),
        4 => (0..CHANNELS, any::<bool>())
            .prop_map(|(chan, usable)| Event::ChannelUsable { channel_id: channel(chan), usable }),
        1 => Just(Event::ObservationPaused),
        2 => Just(Event::ObservationResumed),
        1 => duration().prop_map(|since| Event::Unobserved { since }),
        1 => duration().prop_map(|to| Event::ClockSet { to }),
    ]
}

/// Generates a duration in place of the time of an event. [`set_times`] replaces it.
fn duration() -> impl Strategy<Value = Timestamp> {
    prop_oneof![Just(0), 0..SECOND, 0..300 * SECOND].prop_map(Timestamp::from_nanos)
}

/// Replaces the duration in an event by a time relative to `at`. Returns the reading of the clock after the
/// event.
pub(crate) fn set_times(at: u64, event: &mut Event) -> u64 {
    match event {
        Event::Unobserved { since } => *since = Timestamp::from_nanos(at - since.as_nanos()),
        Event::ClockSet { to } => {
            *to = Timestamp::from_nanos(at + to.as_nanos());
            return to.as_nanos();
        }
        _ => {}
    }
    at
}

/// Generates events at times that never go back and are nanoseconds, seconds, hours or days apart.
pub(crate) fn trace(length: usize) -> impl Strategy<Value = Vec<(u64, Event)>> {
    let step = prop_oneof![
        2 => Just(0),
        4 => 1..SECOND,
        6 => SECOND..60 * SECOND,
        2 => 60 * SECOND..9 * 3600 * SECOND,
        1 => 24 * 3600 * SECOND..90 * 24 * 3600 * SECOND,
    ];
    vec((step, event()), 1..length).prop_map(|steps| {
        let mut at = START;
        let mut timed = |(step, mut event)| {
            at += step;
            let time = at;
            at = set_times(at, &mut event);
            (time, event)
        };
        steps.into_iter().map(&mut timed).collect()
    })
}

/// Generates events at arbitrary times, as from a broken clock.
pub(crate) fn wild_trace(length: usize) -> impl Strategy<Value = Vec<(u64, Event)>> {
    let at = prop_oneof![
        any::<u64>(),
        Just(0),
        Just(u64::MAX),
        START..START + 1_000 * SECOND,
        START..START + 2 * SECOND,
    ];
    vec((at, event()), 1..length)
}
