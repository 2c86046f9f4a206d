//! The model of peer and channel fitness.
//!
//! A state machine in the sans-I/O manner: [`Tracker`] takes timestamped [`Event`]s, answers
//! questions with report values, and says which records have to be persisted and when. It never
//! reads a clock, opens a file or spawns a task; where time comes from and where bytes go is the
//! embedder's business (`fitness-actor` is the one for tokio).
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
//! let report = tracker.channel(t.after_secs(100), &channel).expect("it is open");
//! assert_eq!(report.lifetime_ns, 100_000_000_000);
//! assert_eq!(report.uptime_ns, 90_000_000_000);
//! assert_eq!(report.availability, Some(0.9));
//! ```
//!
//! `no_std` with `alloc`. The feature `serde` gives every id, event, record and report a
//! serialised form whose field names are those of the program's JSON.

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
pub use flap::{FLAP_COOLDOWN_FACTOR, FLAP_COOLDOWN_PERIOD_NS, FlapCount, log_rate_limit_ns};
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
