//! For which host somebody asks. A page from elsewhere can have its own name point at this machine, and
//! then ask as if it were ours; but it cannot ask under our name.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets through who asks for this machine under a name that can only be its own, or one of `known`.
pub(crate) async fn check(Extract(known): Extract<Arc<[String]>>, request: Request, next: Next) -> Response {
    if asked_for(request.uri(), request.headers()).is_some_and(|host| is_ours(&host, &known)) {
        return next.run(request).await;
    }
    let why =
        "This server answers for localhost and the names that it was told, and was asked for another.\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// The host, without its port.
fn asked_for(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host: Option<Authority> = hosts.next().and_then(|host| host.to_str().ok()?.parse().ok());
    // Two of them are one too many.
    let host = host.filter(|_| hosts.next().is_none());
    let authority = uri.authority().cloned().or(host)?;
    Some(authority.host().to_ascii_lowercase())
}

fn is_ours(host: &str, known: &[String]) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback
        || host == "localhost"
        || host.ends_with(".localhost")
        || known.iter().any(|known| known.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, known: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        asked_for(&Uri::from_static("/"), &headers).is_some_and(|host| is_ours(&host, &known))
    }

    #[test]
    fn our_own_names_are_told_from_others() {
        for ours in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "127.9.9.9", "[::1]:8080", "a.localhost:1"]
        {
            assert!(asked(ours, &[]), "{ours}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "notlocalhost",
            "",
        ] {
            assert!(!asked(other, &[]), "{other}");
        }
        assert!(asked("Fitness.example:443", &["fitness.example"]));
        assert!(!asked("evil.example", &["fitness.example"]));
        assert_eq!(asked_for(&Uri::from_static("/"), &HeaderMap::new()), None);
    }

    #[test]
    fn two_hosts_are_one_too_many() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "localhost".parse().unwrap());
        headers.append(header::HOST, "evil.example".parse().unwrap());
        assert_eq!(asked_for(&Uri::from_static("/"), &headers), None);
    }
}
