//! Alerts to an HTTP endpoint: signed, retried, in order.
//!
//! Each alert is one `POST` of JSON, by the Standard Webhooks specification: a receiver checks it with
//! any of that specification's libraries, and knows a repetition by its `webhook-id`.
//!
//! ```json
//! {
//!   "type": "fitness.offline",
//!   "timestamp": "2026-01-01T00:10:00Z",
//!   "data": {
//!     "observer": "02…", "node_id": "03…", "at_ns": 1767226200000000000,
//!     "alert": "offline", "since_ns": 1767225600000000000, "offline_ns": 600000000000,
//!     "text": "peer 03… has been offline for 10 min"
//!   }
//! }
//! ```
//!
//! An endpoint that does not answer, or answers 408, 425, 429 or 5xx, is asked again with growing waits for as
//! long as [`WebhookBuilder::give_up_after`] says; the alerts after it wait, up to [`WebhookBuilder::queue_capacity`] of them. The
//! endpoint's address and the secret are in no log and no error: both may be credentials.

mod error;
mod message;
mod secret;
mod sender;

pub use error::{DeliveryError, WebhookError};
pub use secret::Secret;
pub use sender::{Webhook, WebhookBuilder};
