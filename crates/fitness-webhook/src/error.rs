//! The errors of the webhook. No error contains the URL or the secret: both can be credentials.

/// Why a webhook could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The URL cannot be parsed, or is not an HTTP or HTTPS URL with a host.
    #[error("invalid webhook URL: expected an http or https URL")]
    InvalidUrl,

    /// The secret does not have the expected form.
    #[error("invalid webhook secret: expected `whsec_` followed by 24 to 64 bytes in base64")]
    InvalidSecret,

    /// The HTTP client could not be created, for example because TLS is not available.
    #[error("cannot create the HTTP client of the webhook: {reason}")]
    Setup {
        /// The cause.
        reason: String,
    },
}

/// Why an alert was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The endpoint responded with a status other than 2xx.
    #[error("the webhook endpoint responded with HTTP status {status}")]
    Status {
        /// The HTTP status code.
        status: u16,
    },

    /// The endpoint could not be reached, or did not respond within the timeout.
    #[error("cannot reach the webhook endpoint: {reason}")]
    Unreachable {
        /// The cause.
        reason: String,
    },

    /// The alert could not be encoded or signed.
    #[error("cannot encode the alert: {reason}")]
    Encoding {
        /// The cause.
        reason: String,
    },
}

impl DeliveryError {
    /// Returns whether another attempt may succeed: after a network error and after the statuses 408, 425,
    /// 429 and 5xx.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Status { status } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Unreachable { .. } => true,
            Self::Encoding { .. } => false,
        }
    }
}
