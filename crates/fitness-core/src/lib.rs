//! Measures how reliable the peers and channels of a Lightning node are.
//!
//! The central type is [`Tracker`], a state machine without I/O. It takes timestamped [`Event`]s, returns
//! reports in answer to queries, and returns the records that must be stored. It never reads a clock, opens
//! a file or spawns a task. The *embedder*, the program that owns the tracker, does all of that. The crate
//! `fitness-actor` is an embedder for tokio.
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
//! reproduce the peer monitoring of lnd (its `chanfitness` package). Where a preset changes a definition, the
//! documentation of the preset describes the difference.
//!
//! ## Peers and channels
//!
//! * **Observer**: the node that runs the tracker. The tracker measures the peers as this node sees them.
//! * **Peer**: another Lightning node, identified by its public key ([`NodeId`]).
//! * **Tracked**: a peer is tracked while it has an open channel or is watched. Only the time during which
//!   a peer is tracked is measured.
//! * **Untracked**: no longer tracked. The peer has neither an open channel nor a watch, but its history is
//!   kept for [`Retention::with_max_age_ns`]. A peer that was never tracked is not called untracked.
//! * **Not found**: the tracker has neither a tracked nor an untracked peer with this id, because the peer
//!   was never tracked or was forgotten. A query for it returns `None` or [`NotFound`].
//! * **Forget**: delete an untracked peer together with its history.
//! * **Watched**: a peer is watched from [`Event::Watch`] until [`Event::Unwatch`], with or without a
//!   channel.
//! * **Stranger**: a node that is connected to the observer but is neither a tracked nor an untracked peer.
//!   The tracker stores nothing about strangers, but their connections show whether the observer's own
//!   network works.
//! * **Usable**: a channel is usable while its peer is online and the node reports that the channel can carry
//!   payments. Whether it is usable is *not known* until the node has reported it, and while the peer is
//!   unobserved.
//!
//! ## Presence
//!
//! * **Presence** ([`Presence`]): the state of a peer's connection at a point in time, as seen by the
//!   observer: online, offline or unobserved.
//! * **Unobserved**: the presence is not known, because of a monitoring gap or the reconnect grace period
//!   after it, because no event has reported the connection yet, or because the peer was not tracked.
//!   Unobserved time counts neither for nor against the peer.
//! * **Monitoring gap** ([`Gap`]): an interval during which the observer could not monitor its peers. The
//!   [cause](GapCause) is one of four: no process was running, the process was suspended, the observer's own
//!   network was down, or the embedder paused observation.
//! * **Network outage**: an interval during which the observer's own network was down. It is a monitoring
//!   gap, not an outage of a peer.
//! * **Reconnect grace period**: the time that a peer has to reconnect after a monitoring gap if it was
//!   online before the gap ([`TrackerConfig::with_reconnect_grace_ns`]). The peer is unobserved until it
//!   reconnects. If it is reported as disconnected when the period expires, it counts as offline from the end
//!   of the gap. This counts neither as a disconnect nor as a flap. If no event or snapshot has reported the
//!   peer by the end of the grace period, it stays unobserved.
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
//! * **Observed time**: the part of the lifetime during which the presence was known (online or offline).
//! * **Uptime**: the part of the observed time during which the peer was online. Always
//!   `uptime <= observed time <= lifetime`.
//! * **Availability**: uptime divided by observed time, from 0 to 1; `None` while the observed time is 0.
//! * **Usable time**: the part of a channel's uptime during which the channel was usable.
//!
//! ## Data
//!
//! * **Ledger** ([`Ledger`]): the exact running totals of one peer: its presence, the time of the last
//!   presence change, and the uptime and observed time until then.
//! * **Log** ([`EventLog`]): the rate-limited list of a peer's presence changes. Each [`LogEntry`] holds the
//!   ledger's totals at the time of the change. The uptime in any window is the difference between the totals
//!   at its end and at its start.
//! * **Segment** ([`LogSegment`]): a run of up to [`SEGMENT_ENTRIES`] log entries, stored as one record.
//! * **Record**: a value that the embedder stores, such as [`PeerRecord`]. A *commit* stores a set of
//!   [`UnsavedChanges`] atomically.
//! * **Heartbeat**: an [`ObserverRecord`] that the embedder stores at regular intervals. It states that the
//!   process was monitoring at that time.
//! * **Dirty**: having changes that the embedder has not yet *drained*, which means taken from the tracker in
//!   order to store them.
//! * **Tracker time**: the time scale of logs and records, in nanoseconds. It starts as Unix time and never
//!   goes back. If the wall clock steps back, tracker time continues from its last value and is then ahead of
//!   the wall clock. If the wall clock turns out to have been more than ten years slow, tracker time stays
//!   behind it. [`Tracker::to_wall_clock`] converts tracker time to a [`Timestamp`]. Reports contain
//!   wall-clock timestamps only, never tracker time.
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
