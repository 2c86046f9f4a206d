//! What is answered, by the names of docs/JSON.md.

mod coverage;
mod health;
mod peer;
mod window;

pub(crate) use self::coverage::{Cause, Coverage, Gap};
pub(crate) use self::health::Health;
pub(crate) use self::peer::{Channel, Peer};
pub(crate) use self::window::{Interval, Presence, Sums, Window};

/// Schemas of what the model's own types are written as.
pub(crate) mod text {
    use utoipa::ToSchema;

    /// A node: its 33-byte public key in hexadecimal digits.
    #[derive(ToSchema)]
    #[schema(value_type = String, pattern = "^[0-9a-f]{66}$")]
    pub(crate) struct NodeId(#[expect(dead_code, reason = "only its schema is used")] String);

    /// A channel: LDK's 32-byte channel id in hexadecimal digits, which stays the same through splices.
    #[derive(ToSchema)]
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub(crate) struct ChannelId(#[expect(dead_code, reason = "only its schema is used")] String);

    /// A funding outpoint, `txid:vout`.
    #[derive(ToSchema)]
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}:[0-9]+$")]
    pub(crate) struct OutPoint(#[expect(dead_code, reason = "only its schema is used")] String);
}
