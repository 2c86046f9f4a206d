//! Measures how reliable the peers and channels of a Lightning node are.
//!
//! The central type is [`Tracker`], a state machine without I/O. It takes timestamped [`Event`]s, answers
//! queries with report values, and returns the records that must be stored. It never reads a clock, opens
//! a file or spawns a task. The *embedder*, the program that owns the tracker, does all of that; the crate
//! `fitness-actor` is the embedder for tokio.
//!
//! ```
//! use fitness_core::{ChannelId, ChannelOpened, Event, HashSeed, NodeId, Timestamp, Tracker, TrackerConfig};
//!
//! let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
//! let (peer, channel) = (NodeId([2; 33]), ChannelId([9; 32]));
//! let t = Timestamp::from_secs(1_700_000_000);
//!
//! let opened = ChannelOpened { channel_id: channel, node_id: peer, funding: None, online: Some(true) };
//! tracker.apply(t, &Event::ChannelOpened(opened));
//! tracker.apply(t.after_secs(90), &Event::PeerOffline { node_id: peer });
//!
//! let report = tracker.channel(t.after_secs(100), &channel).expect("the channel is open");
//! assert_eq!(report.lifetime_ns, 100_000_000_000);
//! assert_eq!(report.uptime_ns, 90_000_000_000);
//! assert_eq!(report.availability, Some(0.9));
//! ```
//!
//! # Terms
//!
//! The documentation of this crate uses these terms as defined here. [`TrackerConfig`] has presets that
//! reproduce lnd; where a preset changes a definition, its documentation says so.
//!
//! ## Peers and channels
//!
//! * **Observer**: the node that runs the tracker. Its view of its peers is what is measured.
//! * **Peer**: another Lightning node, identified by its public key ([`NodeId`]).
//! * **Tracked**: a peer is tracked while it has an open channel or is watched. Only the time during which
//!   a peer is tracked is measured. An *untracked* peer was tracked earlier; its history is kept for
//!   [`Retention::with_max_age_ns`].
//! * **Watched**: a peer is watched from [`Event::Watch`] until [`Event::Unwatch`], with or without a
//!   channel.
//! * **Stranger**: a connected peer that has never been tracked, or whose history has been deleted. The
//!   tracker stores nothing about strangers, but their connections show whether the observer's own network
//!   works.
//! * **Usable**: a channel is usable while its peer is online and the node reports that the channel can
//!   carry payments.
//!
//! ## Presence
//!
//! * **Presence** ([`Presence`]): what is known about a peer's connection at a moment: online, offline or
//!   unobserved.
//! * **Unobserved**: the observer could not tell whether the peer was online. Unobserved time counts
//!   neither for nor against the peer.
//! * **Monitoring gap** ([`Gap`]): an interval during which the observer itself could not observe, and the
//!   [cause](GapCause): the process was not running or suspended, its network was down, or the embedder
//!   paused it.
//! * **Reconnect grace period**: the time that a peer has to reconnect after a monitoring gap if it was
//!   online before the gap ([`TrackerConfig::with_reconnect_grace_ns`]). The peer is unobserved until it
//!   reconnects. If it is still disconnected when the period expires, it counts as offline from the end of
//!   the gap, without a disconnect and without a flap. If nothing has been reported about it by then, it
//!   stays unobserved.
//!
//! ## Connection changes
//!
//! * **Flap**: a change from online to offline or from offline to online. A change from or to unobserved is
//!   not a flap. The *flap count* decays by a factor of 0.95 per 8 hours without a flap, as in lnd.
//! * **Disconnect**: a change from online to offline. The number of disconnects is exact and never decays.
//! * **Outage**: an interval during which a peer was offline. A *recovery* is an outage that began with a
//!   disconnect and ended with a reconnect.
//!
//! ## Durations
//!
//! * **Lifetime**: the time since a peer was first tracked, or since a channel was first monitored.
//! * **Observed time**: the part of the lifetime during which the presence was known.
//! * **Uptime**: the part of the observed time during which the peer was online. Always
//!   `uptime <= observed time <= lifetime`.
//! * **Availability**: uptime divided by observed time, from 0 to 1; unknown while the observed time is 0.
//!
//! ## Data
//!
//! * **Ledger** ([`Ledger`]): the exact running totals of one peer: its presence, the time of the last
//!   change, and the uptime and observed time until then.
//! * **Log** ([`EventLog`]): the rate-limited list of a peer's presence changes. Each [`LogEntry`] holds the
//!   ledger's totals at that moment. Any window of time is the difference between two moments in the log.
//! * **Record**: a value that the embedder stores, such as [`PeerRecord`]. A *commit* stores a set of
//!   [`UnsavedChanges`] atomically.
//! * **Tracker time**: the time scale of logs and records, in nanoseconds. It equals Unix time unless the
//!   wall clock was stepped back or was wrong by years, and it never goes back. [`Tracker::to_wall_clock`]
//!   converts it to a [`Timestamp`]. Reports contain only timestamps.
//!
//! # Features
//!
//! The crate is `no_std` and needs `alloc`. The feature `serde` implements `Serialize` and `Deserialize` for
//! ids, events, changes and reports, with the field names of ldk-fitness's JSON.

#![no_std]

extern crate alloc;

mod change;
mod clock;
mod config;
mod downsample;
mod event;
mod flap;
mod gap;
mod history;
mod id;
mod imported;
mod ledger;
mod log;
mod presence_interval;
mod record;
mod report;
mod slab;
mod standard_window;
mod stats;
mod time;
mod tracker;
mod window;

pub use change::Change;
pub use clock::ClockFaults;
pub use config::{NetworkOutageRule, TrackerConfig};
pub use downsample::{Retention, downsample};
pub use event::{ChannelOpened, Event, OpenChannel, Snapshot};
pub use flap::{FLAP_DECAY_FACTOR, FLAP_DECAY_PERIOD_NS, FlapCount, log_rate_limit_ns};
pub use gap::{Coverage, Gap, GapCause, GapTotals};
pub use history::PeerHistory;
pub use id::{ChannelId, NodeId, OutPoint, ParseIdError};
pub use imported::{ImportSource, Imported, ImportedReport};
pub use ledger::{Ledger, Presence, Totals};
pub use log::{EventLog, LogEntry, SEGMENT_ENTRIES};
pub use presence_interval::PresenceInterval;
pub use record::{ChannelRecord, GapRecord, LogSegment, ObserverRecord, PeerRecord, UnsavedChanges};
pub use report::{ChannelReport, NotFound, PeerReport, WindowReport};
pub use slab::HashSeed;
pub use standard_window::{BucketWidth, ParseWindowError, StandardWindow};
pub use stats::{OutageStats, WindowStats};
pub use time::Timestamp;
pub use tracker::{StoredLog, Tracker};
