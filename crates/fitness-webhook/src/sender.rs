//! Delivery with retries and a queue.

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

/// Configures a [`Webhook`].
#[derive(Clone)]
#[must_use = "call `build` to create the webhook"]
pub struct WebhookBuilder {
    url: String,
    secret: Option<Secret>,
    timeout: Duration,
    retry_backoff: (Duration, Duration),
    give_up_after: Duration,
    queue_capacity: usize,
}

impl WebhookBuilder {
    /// Signs every message with `secret`. Without a secret, messages have no `webhook-signature` header.
    pub fn secret(self, secret: Secret) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// Sets how long to wait for the response to one attempt. The default is 15 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the delay between attempts: `min` after the first failure, doubled after each further failure up
    /// to `max`, with jitter. The default is 1 s and 5 min.
    pub fn retry_backoff(self, min: Duration, max: Duration) -> Self {
        Self { retry_backoff: (min, max.max(min)), ..self }
    }

    /// Sets how long to retry an alert before it is dropped. The default is a day.
    pub fn give_up_after(self, time: Duration) -> Self {
        Self { give_up_after: time, ..self }
    }

    /// Sets how many alerts can wait for the endpoint. When the queue is full, the oldest alert is dropped.
    /// The default is 1,000, the minimum 1.
    pub fn queue_capacity(self, alerts: usize) -> Self {
        Self { queue_capacity: alerts.max(1), ..self }
    }

    /// Creates the webhook. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// - [`WebhookError::InvalidUrl`] if the URL is not an HTTP or HTTPS URL with a host.
    /// - [`WebhookError::Setup`] if TLS is not available.
    pub fn build(self) -> Result<Webhook, WebhookError> {
        let url = Url::parse(&self.url).map_err(|_| WebhookError::InvalidUrl)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(WebhookError::InvalidUrl);
        }
        let client = Client::builder()
            .timeout(self.timeout)
            // A message is signed for one endpoint only.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("ldk-fitness/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| WebhookError::Setup { reason: error.without_url().to_string() })?;
        Ok(Webhook { client, url, settings: self })
    }
}

/// Delivers alerts to an HTTP endpoint.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    url: Url,
    settings: WebhookBuilder,
}

impl Webhook {
    /// Returns a builder of a webhook that sends to `url`, an HTTP or HTTPS URL.
    pub fn builder(url: impl Into<String>) -> WebhookBuilder {
        WebhookBuilder {
            url: url.into(),
            secret: None,
            timeout: Duration::from_secs(15),
            retry_backoff: (Duration::from_secs(1), Duration::from_secs(300)),
            give_up_after: Duration::from_secs(24 * 3600),
            queue_capacity: 1_000,
        }
    }

    /// Delivers one alert of the node `observer`, and retries after transient failures.
    ///
    /// # Errors
    ///
    /// Returns the last error if delivery fails permanently or for longer than
    /// [`WebhookBuilder::give_up_after`].
    pub async fn deliver(&self, observer: NodeId, alert: &Alert) -> Result<(), DeliveryError> {
        let message = Message::new(observer, alert)?;
        let settings = &self.settings;
        let (min, max) = settings.retry_backoff;
        let backoff = ExponentialBuilder::default()
            .with_min_delay(min)
            .with_max_delay(max)
            .with_total_delay(Some(settings.give_up_after))
            .without_max_times()
            .with_jitter();
        (|| self.post(&message))
            .retry(backoff)
            .when(DeliveryError::is_transient)
            .notify(|error, retry_in| {
                let webhook_id = &message.id;
                tracing::warn!(%error, ?retry_in, webhook_id, "alert delivery failed, will retry");
            })
            .await
    }

    /// Delivers the alerts of the node `observer` in order. Returns when its service has stopped and every
    /// alert has been delivered or dropped.
    pub async fn run(&self, observer: NodeId, alerts: AlertStream) {
        let mut alerts = Some(alerts);
        let mut queue: VecDeque<Alert> = VecDeque::new();
        while alerts.is_some() || !queue.is_empty() {
            let current = queue.pop_front();
            let delivery = async {
                match &current {
                    Some(alert) => self.deliver(observer, alert).await,
                    None => pending().await,
                }
            };
            tokio::pin!(delivery);
            loop {
                tokio::select! {
                    result = &mut delivery => {
                        if let Err(error) = result {
                            tracing::error!(%error, alert = ?current, "alert not delivered, dropped");
                        }
                        break;
                    }
                    alert = next_alert(&mut alerts) => {
                        match alert {
                            Some(alert) => self.enqueue(&mut queue, alert),
                            None => alerts = None,
                        }
                        if current.is_none() {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn enqueue(&self, queue: &mut VecDeque<Alert>, alert: Alert) {
        if queue.len() >= self.settings.queue_capacity {
            let dropped = queue.pop_front();
            tracing::error!(alert = ?dropped, "webhook queue is full, oldest alert dropped");
        }
        queue.push_back(alert);
    }

    async fn post(&self, message: &Message) -> Result<(), DeliveryError> {
        // The time of this attempt: receivers reject old messages.
        let unix_secs = SystemClock::new().wall().as_nanos() / 1_000_000_000;
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", unix_secs.to_string());
        if let Some(secret) = &self.settings.secret {
            request =
                request.header("webhook-signature", secret.sign(&message.id, unix_secs, &message.body)?);
        }
        let response = request.body(message.body.clone()).send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(DeliveryError::Status { status: status.as_u16() }) }
    }
}

/// Waits for the next alert. Never completes if there are no more alerts.
async fn next_alert(alerts: &mut Option<AlertStream>) -> Option<Alert> {
    match alerts {
        Some(alerts) => alerts.next().await,
        None => pending().await,
    }
}

/// Describes an error and its sources without the URL.
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
        f.debug_struct("Webhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookBuilder").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
