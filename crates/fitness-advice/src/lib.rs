//! Scores, recommendations and alerts, derived from the measurements of `fitness-core`.
//!
//! - [`Score`]: how reliable a peer is, from 0 to 100, with its factors and its uncertainty.
//! - [`advise`]: which channels to close or keep, with the reasons and the numbers behind them.
//! - [`AlertTracker`]: which changes deserve an alert, and when. A state machine that takes changes and
//!   returns alerts.
//!
//! Like `fitness-core`, this crate reads no clock and does no I/O. It only recommends: it never closes a
//! channel.
//!
//! ```
//! use fitness_advice::{Evidence, Policy, Recommendation, advise};
//! use fitness_core::{Event, HashSeed, NodeId, StandardWindow, Timestamp, Tracker, TrackerConfig};
//!
//! let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
//! let (peer, start) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
//! tracker.apply(start, &Event::Watch { node_id: peer });
//! tracker.apply(start, &Event::PeerOffline { node_id: peer });
//! let now = start.after_secs(60 * 86_400);
//!
//! let report = tracker.peer(now, &peer).expect("the peer is watched");
//! let history = tracker.history(now, &peer, &[]).expect("the peer is watched");
//! let evidence = Evidence::of(&report, &history, StandardWindow::Quarter);
//! let advice = advise(&[evidence], &Policy::default());
//! assert_eq!(advice[0].recommendation, Recommendation::Close);
//! assert_eq!(advice[0].reasons[0].to_string(), "offline for 60 days (limit 30 days)");
//! ```

mod advise;
mod alert;
mod duration_text;
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
