//! What can go wrong, without the address: it may be a credential.

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The address is none.
    #[error("the webhook's address is no URL of http or https")]
    InvalidUrl,

    /// The secret is none.
    #[error("the webhook's secret has to be `whsec_` and 24 to 64 bytes in base64")]
    InvalidSecret,

    /// TLS could not be set up, or the system has no randomness.
    #[error("the webhook could not be set up: {reason}")]
    Setup {
        /// What the system said.
        reason: String,
    },
}

/// Why an alert was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The endpoint refused it.
    #[error("the endpoint answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },

    /// The endpoint could not be reached, or did not answer in time.
    #[error("the endpoint could not be reached: {reason}")]
    Unreachable {
        /// What went wrong.
        reason: String,
    },

    /// The alert could not be written down.
    #[error("the alert could not be encoded: {reason}")]
    Encoding {
        /// What went wrong.
        reason: String,
    },
}

impl DeliveryError {
    /// Whether to ask again may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Status { status } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Unreachable { .. } => true,
            Self::Encoding { .. } => false,
        }
    }
}
