//! Shared by all tests: a monitored wallet, peers behind proxies, and waiting with a time limit.

mod changes;
mod monitoring;
mod peer;
pub(crate) mod raw_node;
mod storage;
mod wallet;

use std::time::Duration;

use fitness_core::{ChannelReport, OutPoint, PeerReport, Timestamp};
use ldk_node::ChannelDetails;

pub(crate) use self::changes::Changes;
pub(crate) use self::monitoring::open_store;
pub(crate) use self::peer::Peer;
pub(crate) use self::storage::open_sqlite;
pub(crate) use self::wallet::Wallet;

/// How long a test waits for a condition. A machine that builds at the same time is slow.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// The capacity of the channels in these tests.
pub(crate) const CHANNEL_SATS: u64 = 200_000;

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(condition: &str, holds: impl FnMut() -> bool) {
    fitness_regtest::wait_until(condition, holds).unwrap();
}

/// Runs a future that needs no runtime of a node.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Writes logs as `RUST_LOG` selects them; `ldk=debug` selects those of the node.
pub(crate) fn init_logging() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // Fails if another test of this process has installed it already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

/// Returns the funding outpoint of a channel.
pub(crate) fn funding(channel: &ChannelDetails) -> OutPoint {
    fitness_ldk::convert::outpoint(&channel.funding_txo.expect("a funded channel"))
}

/// Returns the flap count and the number of disconnects.
pub(crate) fn counts(peer: &PeerReport) -> (u32, u32) {
    (peer.flap_count, peer.disconnects)
}

/// Asserts what holds for every report at any time.
#[track_caller]
pub(crate) fn assert_consistent(channel: &ChannelReport) {
    let ChannelReport { lifetime_ns, observed_ns, uptime_ns, availability, .. } = *channel;
    assert!(uptime_ns <= observed_ns && observed_ns <= lifetime_ns, "{channel:?}");
    let ChannelReport { usable_ns, usable_observed_ns, .. } = *channel;
    assert!(usable_ns <= uptime_ns && usable_observed_ns <= observed_ns, "{channel:?}");
    assert!(usable_ns <= usable_observed_ns, "{channel:?}");
    assert_eq!(availability.is_some(), observed_ns > 0, "{channel:?}");
}

/// Returns the part of the lifetime that was not observed.
pub(crate) fn unobserved_ns(channel: &ChannelReport) -> u64 {
    channel.lifetime_ns - channel.observed_ns
}

/// Returns the part of the lifetime in which the peer was observed to be offline.
pub(crate) fn downtime_ns(channel: &ChannelReport) -> u64 {
    channel.observed_ns - channel.uptime_ns
}

/// Asserts that a time lies between two others.
#[track_caller]
pub(crate) fn assert_between(earliest: Timestamp, at: Timestamp, latest: Timestamp) {
    assert!(earliest <= at && at <= latest, "{earliest} <= {at} <= {latest}");
}
