//! A service at an address.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};
use reqwest::{Client, Response, Url};
use sse_stream::{Sse, SseByteStream};

use super::{Answer, Ask, LONGEST, News, SourceError};

/// How long a connection may take, and an answer.
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a service may say nothing: three times as long as a live stream is silent.
const SILENCE: Duration = Duration::from_secs(45);

pub(super) struct Http {
    client: Client,
    /// With a slash at its end.
    root: Url,
}

impl Http {
    pub(super) fn new(address: &str, token: Option<&str>) -> Result<Self, SourceError> {
        let wrong = |reason: String| SourceError::InvalidAddress { reason };
        let mut root = Url::parse(address).map_err(|error| wrong(format!("this is no address: {error}")))?;
        if !matches!(root.scheme(), "http" | "https") || !root.has_host() {
            return Err(wrong("a service is asked by http or https".to_owned()));
        }
        if !root.username().is_empty() || root.password().is_some() {
            return Err(wrong(
                "an address with a password in it is seen where processes are listed".to_owned(),
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
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("ldk-fitness/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| wrong(innermost(&error)))?;
        Ok(Self { client, root })
    }

    pub(super) fn place(&self) -> String {
        self.root.as_str().trim_end_matches('/').to_owned()
    }

    fn url(&self, path: &str) -> Result<Url, SourceError> {
        self.root
            .join(&format!("api/v1/{path}"))
            .map_err(|error| SourceError::InvalidAddress { reason: error.to_string() })
    }

    fn unreachable(&self, error: &reqwest::Error) -> SourceError {
        let silence = if error.is_timeout() { PATIENCE } else { Duration::ZERO };
        SourceError::Unreachable { address: self.place(), reason: innermost(error), idle_for: silence }
    }

    async fn answer(&self, path: &str) -> Result<Answer, SourceError> {
        let asked = self.client.get(self.url(path)?).timeout(PATIENCE).send().await;
        let response = asked.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        Ok(Answer { status, body: self.body(path, response).await? })
    }

    async fn body(&self, path: &str, mut response: Response) -> Result<Bytes, SourceError> {
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + part.len() > LONGEST {
                let reason = format!("it is longer than {} MiB", LONGEST >> 20);
                return Err(SourceError::InvalidResponse { path: path.to_owned(), reason });
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }

    async fn follow(&self) -> Result<BoxStream<'static, News>, SourceError> {
        let asked = self.client.get(self.url("changes")?).send().await;
        let response = asked.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(SourceError::status(status, &self.body("changes", response).await?));
        }
        let parts = stream::try_unfold(response, |mut response| async {
            Ok::<_, reqwest::Error>(response.chunk().await?.map(|part| (part, response)))
        });
        let place = self.place();
        let broke = move |reason: String, silence| {
            News::Broke(SourceError::Unreachable { address: place.clone(), reason, idle_for: silence })
        };
        let end = broke("it ended the live stream".to_owned(), Duration::ZERO);
        let events = SseByteStream::new(parts.boxed()).filter_map(move |event| {
            std::future::ready(match event {
                Ok(event) => News::told(&event),
                Err(sse_stream::Error::Body(error)) => {
                    let is_timeout =
                        error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout);
                    let silence = if is_timeout { SILENCE } else { Duration::ZERO };
                    Some(broke(deepest(&*error), silence))
                }
                Err(error) => Some(broke(error.to_string(), Duration::ZERO)),
            })
        });
        Ok(events.chain(stream::iter([end])).boxed())
    }
}

impl Ask for Http {
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Answer, SourceError>> {
        self.answer(path).boxed()
    }

    fn changes(&self) -> BoxFuture<'_, Result<BoxStream<'static, News>, SourceError>> {
        self.follow().boxed()
    }
}

impl News {
    fn told(event: &Sse) -> Option<Self> {
        let data = event.data.as_deref().unwrap_or_default();
        match event.event.as_deref()? {
            // What a later release tells may concern anybody.
            "change" => Some(serde_json::from_str(data).map_or(Self::Missed, Self::Change)),
            "lagged" => Some(Self::Missed),
            _ => None,
        }
    }
}

/// What it comes from, without the address, which is told anyway.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it takes too long".to_owned();
    }
    error.source().map_or_else(|| error.to_string(), deepest)
}

fn deepest(error: &dyn std::error::Error) -> String {
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
    fn addresses() {
        let place = |address: &str| Http::new(address, None).map(|http| http.place());
        for (address, told) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://wallet.example/fitness/", "https://wallet.example/fitness"),
            ("http://[::1]:80/?q=x#y", "http://[::1]"),
        ] {
            assert_eq!(place(address).expect(address), told);
        }
        let http = Http::new("http://wallet.example/fitness", None).expect("it is one");
        assert_eq!(http.url("peers?limit=1").expect("it is").path(), "/fitness/api/v1/peers");
    }

    #[test]
    fn what_is_no_address_is_told_without_its_secrets() {
        for address in ["", "127.0.0.1:8080", "ftp://x", "http://", "http://me:hunter2@wallet.example"] {
            let Err(error) = Http::new(address, None) else { panic!("{address} is none") };
            let told = error.to_string();
            assert!(told.contains("http://127.0.0.1:8080") && !told.contains("hunter2"), "{told}");
        }
        let Err(error) = Http::new("http://x", Some("hunter2\n")) else { panic!("it cannot be sent") };
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn what_is_told() {
        let event = |kind: &str, data: &str| News::told(&Sse::default().event(kind).data(data));
        assert!(event("ready", "{}").is_none());
        assert!(matches!(event("lagged", "{\"skipped\":3}"), Some(News::Missed)));
        assert!(matches!(event("change", "no json"), Some(News::Missed)));
        let id = fitness_core::NodeId([2; 33]);
        let told = |data: &str| match event("change", data) {
            Some(News::Change(changed)) => changed.who(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&format!("{{\"change\":\"presence\",\"node_id\":\"{id}\"}}")), Some(id));
        assert_eq!(told(&format!("{{\"change\":\"x\",\"report\":{{\"node_id\":\"{id}\"}}}}")), Some(id));
        assert_eq!(told("{\"change\":\"gap_began\",\"cause\":\"down\",\"at_ns\":1}"), None);
    }
}
