//! Sending, and sending again.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use fitness_actor::{AlertStream, Clock as _, SystemClock};
use fitness_advice::Alert;
use fitness_core::NodeId;
use reqwest::{Client, Url, redirect};

use crate::message::Message;
use crate::{DeliveryError, Secret, WebhookError};

/// How a [`Webhook`] is to behave.
#[derive(Clone)]
#[must_use = "nothing is sent until it is built"]
pub struct WebhookBuilder {
    address: String,
    secret: Option<Secret>,
    timeout: Duration,
    first_wait: Duration,
    longest_wait: Duration,
    give_up_after: Duration,
    capacity: usize,
}

impl WebhookBuilder {
    /// Signs what is sent. Without a secret there is no `webhook-signature`.
    pub fn secret(self, secret: Secret) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// How long the endpoint may take for an answer; the default is 15 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long to wait after a first failure, and after many: the wait doubles with each, with jitter. The
    /// default is 1 s and 5 min.
    pub fn retry_backoff(self, first: Duration, longest: Duration) -> Self {
        Self { first_wait: first, longest_wait: longest.max(first), ..self }
    }

    /// For how long an alert is tried again before it is given up; the default is a day.
    pub fn give_up_after(self, time: Duration) -> Self {
        Self { give_up_after: time, ..self }
    }

    /// How many alerts wait for the endpoint, the oldest of which are dropped if there are more; the default is
    /// 1,000.
    pub fn queue_capacity(self, alerts: usize) -> Self {
        Self { capacity: alerts.max(1), ..self }
    }

    /// The webhook.
    ///
    /// # Errors
    ///
    /// [`WebhookError::InvalidUrl`], or [`WebhookError::Setup`] where TLS cannot be had.
    pub fn build(self) -> Result<Webhook, WebhookError> {
        let address = Url::parse(&self.address).map_err(|_| WebhookError::InvalidUrl)?;
        if !matches!(address.scheme(), "http" | "https") || !address.has_host() {
            return Err(WebhookError::InvalidUrl);
        }
        let client = Client::builder()
            .timeout(self.timeout)
            // What is signed for one is not for another.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("ldk-fitness/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| WebhookError::Setup { reason: error.without_url().to_string() })?;
        Ok(Webhook { client, address, settings: self })
    }
}

/// An endpoint that is told of alerts.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    address: Url,
    settings: WebhookBuilder,
}

impl Webhook {
    /// A webhook to `address`, a URL of http or https.
    pub fn builder(address: impl Into<String>) -> WebhookBuilder {
        WebhookBuilder {
            address: address.into(),
            secret: None,
            timeout: Duration::from_secs(15),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(300),
            give_up_after: Duration::from_secs(24 * 3600),
            capacity: 1_000,
        }
    }

    /// Delivers one alert of the node `observer`, and tries again where that may help.
    ///
    /// # Errors
    ///
    /// The last failure, once it is given up.
    pub async fn deliver(&self, observer: NodeId, alert: &Alert) -> Result<(), DeliveryError> {
        let message = Message::new(observer, alert)?;
        let settings = &self.settings;
        let waits = ExponentialBuilder::default()
            .with_min_delay(settings.first_wait)
            .with_max_delay(settings.longest_wait)
            .with_total_delay(Some(settings.give_up_after))
            .without_max_times()
            .with_jitter();
        (|| self.post(&message))
            .retry(waits)
            .when(DeliveryError::is_transient)
            .notify(|error, wait| tracing::warn!(%error, ?wait, id = %message.id, "an alert waits for its webhook"))
            .await
    }

    /// Delivers the alerts of the node `observer` in order, until its service has stopped and all that there
    /// were are delivered or given up.
    pub async fn run(&self, observer: NodeId, alerts: AlertStream) {
        let mut alerts = Some(alerts);
        let mut waiting: VecDeque<Alert> = VecDeque::new();
        while alerts.is_some() || !waiting.is_empty() {
            let first = waiting.pop_front();
            let delivery = async {
                match &first {
                    Some(alert) => self.deliver(observer, alert).await,
                    None => pending().await,
                }
            };
            tokio::pin!(delivery);
            loop {
                tokio::select! {
                    done = &mut delivery => {
                        if let Err(error) = done {
                            tracing::error!(%error, alert = ?first, "an alert could not be delivered");
                        }
                        break;
                    }
                    alert = next(&mut alerts) => {
                        match alert {
                            Some(alert) => self.queue(&mut waiting, alert),
                            None => alerts = None,
                        }
                        if first.is_none() {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn queue(&self, waiting: &mut VecDeque<Alert>, alert: Alert) {
        if waiting.len() >= self.settings.capacity {
            let dropped = waiting.pop_front();
            tracing::error!(alert = ?dropped, "too many alerts wait for the webhook; the oldest is dropped");
        }
        waiting.push_back(alert);
    }

    async fn post(&self, message: &Message) -> Result<(), DeliveryError> {
        // The time of this attempt: a receiver refuses what is old.
        let seconds = SystemClock::new().wall().as_nanos() / 1_000_000_000;
        let mut request = self
            .client
            .post(self.address.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds.to_string());
        if let Some(secret) = &self.settings.secret {
            request = request.header("webhook-signature", secret.sign(&message.id, seconds, &message.body)?);
        }
        let answer = request.body(message.body.clone()).send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(DeliveryError::Status { status: status.as_u16() }) }
    }
}

/// The next alert; never where there are no more to come.
async fn next(alerts: &mut Option<AlertStream>) -> Option<Alert> {
    match alerts {
        Some(alerts) => alerts.next().await,
        None => pending().await,
    }
}

fn unreachable(error: reqwest::Error) -> DeliveryError {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    DeliveryError::Unreachable { reason }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("host", &self.address.host_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookBuilder").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
