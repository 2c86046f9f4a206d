//! What to make of the numbers: a score, advice, alerts.
//!
//! - [`Score`]: how much a peer is to be trusted, from 0 to 100, with its parts and its uncertainty.
//! - [`advise`]: what to close and what to keep, with the reasons and the numbers behind them.
//! - [`AlertTracker`]: who is to be told of what, and when: a state machine that is told changes and asked
//!   for alerts.
//!
//! Like `fitness-core`, which the numbers come from, it reads no clock and does no I/O. It never acts:
//! it recommends.
//!
//! ```
//! use fitness_advice::{Evidence, Policy, Verdict, advise};
//! use fitness_core::{Event, HashSeed, NodeId, Span, Timestamp, Tracker, TrackerConfig};
//!
//! let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
//! let (peer, start) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
//! tracker.apply(start, &Event::Watch { node_id: peer });
//! tracker.apply(start, &Event::PeerOffline { node_id: peer });
//! let now = start.after_secs(60 * 86_400);
//!
//! let report = tracker.peer(now, &peer).expect("it is watched");
//! let history = tracker.history(now, &peer, &[]).expect("it is watched");
//! let advice = advise(&[Evidence::of(&report, &history, Span::Quarter)], &Policy::default());
//! assert_eq!(advice[0].verdict, Verdict::Close);
//! assert_eq!(advice[0].reasons[0].to_string(), "not online for 60.0 days");
//! ```

mod advise;
mod alert;
mod evidence;
mod policy;
mod quartiles;
mod reason;
mod score;

pub use advise::{Advice, Recommendation, advise};
pub use alert::{Alert, AlertKind, AlertRules, AlertTracker, AvailabilityRule, FlappingRule};
pub use evidence::{Evidence, PeerKind};
pub use policy::{OutlierSensitivity, Policy};
pub use quartiles::Quartiles;
pub use reason::Reason;
pub use score::{ConfidenceBounds, SAMPLE_INTERVAL_NS, Score, availability_bounds};

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;

/// Nanoseconds as days, for words and ratios.
// A double's 53 bits are good for 104 days at the nanosecond.
#[allow(clippy::cast_precision_loss)]
fn days(ns: u64) -> f64 {
    ns as f64 / DAY_NS as f64
}
