//! Sends alerts to an HTTP endpoint: signed, in order, and retried on failure.
//!
//! Each alert is one JSON `POST` request as defined by [Standard Webhooks](https://www.standardwebhooks.com).
//! A receiver verifies the signature with any of that specification's libraries, and recognises a repeated
//! delivery by its `webhook-id`.
//!
//! ```json
//! {
//!   "type": "fitness.offline",
//!   "timestamp": "2026-01-01T00:10:00.000000000Z",
//!   "data": {
//!     "observer": "02…", "node_id": "03…", "at_ns": 1767226200000000000,
//!     "alert": "offline", "offline_since_ns": 1767225600000000000, "offline_ns": 600000000000,
//!     "text": "peer 03…: offline for 10 min"
//!   }
//! }
//! ```
//!
//! If the endpoint does not respond, or responds with the status 408, 425, 429 or 5xx, delivery is retried
//! with exponential back-off for up to [`WebhookBuilder::give_up_after`]. Meanwhile later alerts wait in a
//! queue of [`WebhookBuilder::queue_capacity`] alerts. Logs and errors contain neither the URL nor the
//! secret: both can be credentials.
//!
//! ```no_run
//! use fitness_webhook::{Webhook, WebhookError};
//!
//! # async fn run(handle: fitness_actor::Handle) -> Result<(), WebhookError> {
//! let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
//! let webhook = Webhook::builder("https://example.com/hook").secret(secret).build()?;
//! let alerts = handle.alerts(Default::default());
//! tokio::spawn(async move { webhook.run(handle.observer(), alerts).await });
//! # Ok(())
//! # }
//! ```

mod error;
mod message;
mod secret;
mod sender;

pub use error::{DeliveryError, WebhookError};
pub use secret::Secret;
pub use sender::{Webhook, WebhookBuilder};
