//! Protection against DNS rebinding: another website can make its host name resolve to this machine, and its
//! pages could then read the API from within a browser. Such requests carry that website's host name, so they
//! are rejected.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Rejects requests whose host is neither a loopback name or address nor in `allowed_hosts`.
pub(crate) async fn check(
    Extract(allowed_hosts): Extract<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    let host = requested_host(request.uri(), request.headers());
    if host.is_some_and(|host| is_allowed(&host, &allowed_hosts)) {
        return next.run(request).await;
    }
    let body = "host not allowed: use localhost, or add this host name to the allowed hosts\n";
    (StatusCode::MISDIRECTED_REQUEST, body).into_response()
}

/// Returns the requested host without its port; `None` if there is none, or more than one.
fn requested_host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host: Option<Authority> = hosts.next().and_then(|host| host.to_str().ok()?.parse().ok());
    let host = host.filter(|_| hosts.next().is_none());
    let authority = uri.authority().cloned().or(host)?;
    Some(authority.host().to_ascii_lowercase())
}

fn is_allowed(host: &str, allowed_hosts: &[String]) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback
        || host == "localhost"
        || host.ends_with(".localhost")
        || allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(host: &str, allowed_hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        let allowed_hosts: Vec<String> = allowed_hosts.iter().map(ToString::to_string).collect();
        requested_host(&Uri::from_static("/"), &headers).is_some_and(|host| is_allowed(&host, &allowed_hosts))
    }

    #[test]
    fn only_loopback_and_allowed_hosts_are_accepted() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "127.9.9.9", "[::1]:8080", "a.localhost:1"]
        {
            assert!(accepts(host, &[]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "notlocalhost",
            "",
        ] {
            assert!(!accepts(host, &[]), "{host}");
        }
        assert!(accepts("Fitness.example:443", &["fitness.example"]));
        assert!(!accepts("evil.example", &["fitness.example"]));
        assert_eq!(requested_host(&Uri::from_static("/"), &HeaderMap::new()), None);
    }

    #[test]
    fn two_host_headers_are_rejected() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "localhost".parse().unwrap());
        headers.append(header::HOST, "evil.example".parse().unwrap());
        assert_eq!(requested_host(&Uri::from_static("/"), &headers), None);
    }
}
