//! JSON values, with the field names of docs/reference/json.md.

mod coverage;
mod health;
mod peer;
mod window;

pub(crate) use self::coverage::{Coverage, Gap, GapCause};
pub(crate) use self::health::Health;
pub(crate) use self::peer::{Channel, Peer};
pub(crate) use self::window::{Presence, PresenceInterval, WindowReport, WindowStats};

/// OpenAPI schemas for types of fitness-core that are serialized as strings.
pub(crate) mod schema {
    use utoipa::ToSchema;

    /// Node id: the 33-byte compressed public key in hexadecimal.
    #[derive(ToSchema)]
    #[schema(value_type = String, pattern = "^[0-9a-f]{66}$")]
    pub(crate) struct NodeId(#[expect(dead_code, reason = "only its schema is used")] String);

    /// LDK's 32-byte channel id in hexadecimal. It does not change when a channel is spliced.
    #[derive(ToSchema)]
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub(crate) struct ChannelId(#[expect(dead_code, reason = "only its schema is used")] String);

    /// Funding outpoint, `txid:vout`.
    #[derive(ToSchema)]
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}:[0-9]+$")]
    pub(crate) struct OutPoint(#[expect(dead_code, reason = "only its schema is used")] String);
}
