//! What every test has: a wallet that is watched, peers behind proxies, and patience.

mod changes;
mod peer;
pub(crate) mod raw_node;
mod storage;
mod wallet;
mod watch;

use std::time::Duration;

use fitness_core::{ChannelReport, OutPoint, PeerReport, Timestamp};
use ldk_node::ChannelDetails;

pub(crate) use self::changes::Changes;
pub(crate) use self::peer::Peer;
pub(crate) use self::storage::open_sqlite;
pub(crate) use self::wallet::Wallet;
pub(crate) use self::watch::open_store;

/// How long anything may take: machines that build and test at once are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What a channel of the tests holds.
pub(crate) const CHANNEL_SATS: u64 = 200_000;

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(awaited: &str, so: impl FnMut() -> bool) {
    fitness_regtest::wait_until(awaited, so).unwrap();
}

/// Waits for an answer that no node has to be running for.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Has the `RUST_LOG` of whoever looks into a failure obeyed: `ldk=debug` is what the node writes.
pub(crate) fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // Only the first test of the process sets it.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

/// Where a channel's money is, as the node says.
pub(crate) fn funding(channel: &ChannelDetails) -> OutPoint {
    fitness_ldk::convert::outpoint(&channel.funding_txo.expect("it is funded"))
}

/// Flaps and disconnects.
pub(crate) fn counts(peer: &PeerReport) -> (u32, u32) {
    (peer.flap_count, peer.disconnects)
}

/// What holds of every report at every moment.
#[track_caller]
pub(crate) fn assert_sane(channel: &ChannelReport) {
    let ChannelReport { lifetime_ns, observed_ns, uptime_ns, availability, .. } = *channel;
    assert!(uptime_ns <= observed_ns && observed_ns <= lifetime_ns, "{channel:?}");
    let ChannelReport { usable_ns, usable_observed_ns, .. } = *channel;
    assert!(usable_ns <= uptime_ns && usable_observed_ns <= observed_ns, "{channel:?}");
    assert!(usable_ns <= usable_observed_ns, "{channel:?}");
    assert_eq!(availability.is_some(), observed_ns > 0, "{channel:?}");
}

/// The part of a lifetime in which nobody looked.
pub(crate) fn unobserved_ns(channel: &ChannelReport) -> u64 {
    channel.lifetime_ns - channel.observed_ns
}

/// The part of a lifetime in which the peer was known to be away.
pub(crate) fn downtime_ns(channel: &ChannelReport) -> u64 {
    channel.observed_ns - channel.uptime_ns
}

/// Asserts that a moment lies between two others.
#[track_caller]
pub(crate) fn assert_between(earliest: Timestamp, at: Timestamp, latest: Timestamp) {
    assert!(earliest <= at && at <= latest, "{earliest} <= {at} <= {latest}");
}
