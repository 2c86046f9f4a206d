//! The message that delivers one alert.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fitness_advice::Alert;
use fitness_core::NodeId;
use serde::Serialize;

use crate::{DeliveryError, WebhookError};

/// An encoded alert. Every delivery attempt sends the same id and body.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    observer: NodeId,
    #[serde(flatten)]
    alert: &'a Alert,
    text: String,
}

impl Message {
    pub(crate) fn new(observer: NodeId, alert: &Alert) -> Result<Self, DeliveryError> {
        let encoding_error = |reason: String| DeliveryError::Encoding { reason };
        let mut random = [0; 18];
        getrandom::fill(&mut random).map_err(|err| encoding_error(err.to_string()))?;
        let value = serde_json::to_value(alert.kind).map_err(|err| encoding_error(err.to_string()))?;
        let kind = value.get("alert").and_then(|kind| kind.as_str()).unwrap_or("alert");
        let at = UNIX_EPOCH + Duration::from_nanos(alert.at.as_nanos());
        let envelope = Envelope {
            r#type: format!("fitness.{kind}"),
            timestamp: humantime::format_rfc3339_nanos(at).to_string(),
            data: Data { observer, alert, text: alert.to_string() },
        };
        let body = serde_json::to_string(&envelope).map_err(|err| encoding_error(err.to_string()))?;
        Ok(Self { id: format!("msg_{}", URL_SAFE_NO_PAD.encode(random)), body })
    }
}

impl From<WebhookError> for DeliveryError {
    fn from(error: WebhookError) -> Self {
        Self::Encoding { reason: error.to_string() }
    }
}
