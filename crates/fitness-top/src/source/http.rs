//! A service at an HTTP address.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};
use reqwest::{Client, Response, Url};
use sse_stream::{Sse, SseByteStream};

use super::{ApiResponse, ChangeEvent, MAX_RESPONSE_LEN, SourceError, Transport};

/// The timeouts for connecting and for a response.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long no data may be received. A live stream sends a keep-alive three times as often.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

pub(super) struct Http {
    client: Client,
    /// The address, which ends with a slash.
    root: Url,
}

impl Http {
    pub(super) fn new(address: &str, token: Option<&str>) -> Result<Self, SourceError> {
        let invalid = |reason: String| SourceError::InvalidAddress { reason };
        let mut root = Url::parse(address).map_err(|error| invalid(format!("invalid address: {error}")))?;
        if !matches!(root.scheme(), "http" | "https") || !root.has_host() {
            return Err(invalid("invalid address: expected an http or https URL".to_owned()));
        }
        if !root.username().is_empty() || root.password().is_some() {
            return Err(invalid(
                "the address contains a user name or password, which other users can read in the process list"
                    .to_owned(),
            ));
        }
        root.set_query(None);
        root.set_fragment(None);
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| SourceError::InvalidToken)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let client = Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("ldk-fitness/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| invalid(root_cause(&error)))?;
        Ok(Self { client, root })
    }

    pub(super) fn address(&self) -> String {
        self.root.as_str().trim_end_matches('/').to_owned()
    }

    fn url(&self, path: &str) -> Result<Url, SourceError> {
        self.root
            .join(&format!("api/v1/{path}"))
            .map_err(|error| SourceError::InvalidAddress { reason: error.to_string() })
    }

    fn unreachable(&self, error: &reqwest::Error) -> SourceError {
        let idle_for = if error.is_timeout() { RESPONSE_TIMEOUT } else { Duration::ZERO };
        SourceError::Unreachable { address: self.address(), reason: root_cause(error), idle_for }
    }

    async fn fetch(&self, path: &str) -> Result<ApiResponse, SourceError> {
        let result = self.client.get(self.url(path)?).timeout(RESPONSE_TIMEOUT).send().await;
        let response = result.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        Ok(ApiResponse { status, body: self.body(path, response).await? })
    }

    async fn body(&self, path: &str, mut response: Response) -> Result<Bytes, SourceError> {
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + part.len() > MAX_RESPONSE_LEN {
                let reason = format!("larger than {} MiB", MAX_RESPONSE_LEN >> 20);
                return Err(SourceError::InvalidResponse { path: path.to_owned(), reason });
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }

    async fn open_changes(&self) -> Result<BoxStream<'static, ChangeEvent>, SourceError> {
        let result = self.client.get(self.url("changes")?).send().await;
        let response = result.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(SourceError::from_status(status, &self.body("changes", response).await?));
        }
        let parts = stream::try_unfold(response, |mut response| async {
            Ok::<_, reqwest::Error>(response.chunk().await?.map(|part| (part, response)))
        });
        let address = self.address();
        let failed = move |reason: String, idle_for| {
            ChangeEvent::Failed(SourceError::Unreachable { address: address.clone(), reason, idle_for })
        };
        let end = failed("the service closed the live stream".to_owned(), Duration::ZERO);
        let events = SseByteStream::new(parts.boxed()).filter_map(move |event| {
            std::future::ready(match event {
                Ok(event) => ChangeEvent::parse(&event),
                Err(sse_stream::Error::Body(error)) => {
                    let is_timeout =
                        error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout);
                    let idle_for = if is_timeout { IDLE_TIMEOUT } else { Duration::ZERO };
                    Some(failed(deepest_source(&*error), idle_for))
                }
                Err(error) => Some(failed(error.to_string(), Duration::ZERO)),
            })
        });
        Ok(events.chain(stream::iter([end])).boxed())
    }
}

impl Transport for Http {
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<ApiResponse, SourceError>> {
        self.fetch(path).boxed()
    }

    fn changes(&self) -> BoxFuture<'_, Result<BoxStream<'static, ChangeEvent>, SourceError>> {
        self.open_changes().boxed()
    }
}

impl ChangeEvent {
    /// Parses a server-sent event. Returns `None` for events that are not changes.
    fn parse(event: &Sse) -> Option<Self> {
        let data = event.data.as_deref().unwrap_or_default();
        match event.event.as_deref()? {
            // An unknown change of a later release may affect any peer.
            "change" => Some(serde_json::from_str(data).map_or(Self::Lagged, Self::Change)),
            "lagged" => Some(Self::Lagged),
            _ => None,
        }
    }
}

/// Describes the root cause of an error, without the address, which the caller adds.
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    error.source().map_or_else(|| error.to_string(), deepest_source)
}

fn deepest_source(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_use_the_path_of_the_address() {
        let parsed = |address: &str| Http::new(address, None).map(|http| http.address());
        for (address, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://wallet.example/fitness/", "https://wallet.example/fitness"),
            ("http://[::1]:80/?q=x#y", "http://[::1]"),
        ] {
            assert_eq!(parsed(address).expect(address), expected);
        }
        let http = Http::new("http://wallet.example/fitness", None).expect("a valid address");
        assert_eq!(http.url("peers?limit=1").expect("a valid path").path(), "/fitness/api/v1/peers");
    }

    #[test]
    fn invalid_addresses_and_tokens_are_rejected_without_revealing_secrets() {
        for address in ["", "127.0.0.1:8080", "ftp://x", "http://", "http://me:hunter2@wallet.example"] {
            let Err(error) = Http::new(address, None) else { panic!("{address} was accepted") };
            assert!(matches!(error, SourceError::InvalidAddress { .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let Err(error) = Http::new("http://x", Some("hunter2\n")) else { panic!("the token was accepted") };
        assert!(matches!(error, SourceError::InvalidToken), "{error}");
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn server_sent_events_are_parsed_as_changes() {
        let event = |kind: &str, data: &str| ChangeEvent::parse(&Sse::default().event(kind).data(data));
        assert!(event("ready", "{}").is_none());
        assert!(matches!(event("lagged", "{\"skipped\":3}"), Some(ChangeEvent::Lagged)));
        assert!(matches!(event("change", "not JSON"), Some(ChangeEvent::Lagged)));
        let id = fitness_core::NodeId([2; 33]);
        let changed_peer = |data: &str| match event("change", data) {
            Some(ChangeEvent::Change(change)) => change.peer(),
            other => panic!("{other:?}"),
        };
        assert_eq!(changed_peer(&format!("{{\"change\":\"presence\",\"node_id\":\"{id}\"}}")), Some(id));
        assert_eq!(
            changed_peer(&format!("{{\"change\":\"x\",\"report\":{{\"node_id\":\"{id}\"}}}}")),
            Some(id)
        );
        assert_eq!(changed_peer("{\"change\":\"gap_began\",\"cause\":\"not_running\",\"at_ns\":1}"), None);
    }
}
