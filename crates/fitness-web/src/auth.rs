//! Authentication with a [`Token`](crate::Token): a bearer token for programs, a login form and a session
//! cookie for browsers.

use axum::extract::{FromRequestParts as _, Request, State as Extract};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Form, Router};
use fitness_core::NodeId;
use serde::Deserialize;

use crate::api::Problem;
use crate::pages;
use crate::root::Root;
use crate::state::{Shared, State};
use crate::token::SESSION_SECS;

pub(crate) fn router() -> Router<State> {
    // The login form is the body of each 401 page and has no page of its own.
    let to_home = async |root: Root| Redirect::to(&root.link(pages::HOME));
    Router::new().route("/login", post(log_in).get(to_home)).route("/logout", post(log_out).get(to_home))
}

/// Rejects unauthenticated requests if a token is configured.
pub(crate) async fn check(Extract(state): Extract<State>, request: Request, next: Next) -> Response {
    if is_authenticated(&state, request.headers()) {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"ldk-fitness\"")];
    if is_page(&parts) {
        let Ok(root) = Root::from_request_parts(&mut parts, &()).await;
        let next = parts.uri.path_and_query().map_or("", |requested| requested.as_str());
        let page = pages::login(&root, next.trim_start_matches('/'), None);
        return (StatusCode::UNAUTHORIZED, challenge, page).into_response();
    }
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "missing or invalid token; send `Authorization: Bearer TOKEN`",
    );
    (challenge, problem).into_response()
}

fn is_page(parts: &Parts) -> bool {
    let path = parts.uri.path();
    !path.starts_with("/api/") && path != "/metrics"
}

fn is_authenticated(state: &Shared, headers: &HeaderMap) -> bool {
    let Some(token) = &state.token else { return true };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme_and_secret = authorization.and_then(|value| value.split_once(' '));
    if let Some((_, secret)) = scheme_and_secret.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        return token.matches(secret.trim());
    }
    let name = cookie_name(&state.handle.observer());
    session_cookies(headers, &name)
        .any(|session| token.is_valid_session(session, &state.handle.observer(), state.now()))
}

/// Returns a cookie name specific to the observer. Cookies do not distinguish ports, and one machine may
/// run dashboards of several nodes.
fn cookie_name(observer: &NodeId) -> String {
    let mut id = observer.to_string();
    id.truncate(16);
    format!("ldk_fitness_{id}")
}

fn session_cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

#[derive(Deserialize)]
struct LoginForm {
    token: String,
    /// The page to open after login, relative to the dashboard root.
    #[serde(default)]
    next: String,
}

async fn log_in(
    Extract(state): Extract<State>,
    root: Root,
    headers: HeaderMap,
    Form(LoginForm { token: secret, next }): Form<LoginForm>,
) -> Response {
    let Some(token) = &state.token else { return see_other(&root, pages::HOME, None) };
    if !token.matches(secret.trim()) {
        let error = "Invalid token. Use the token that the server was started with.";
        return (StatusCode::UNAUTHORIZED, pages::login(&root, &next, Some(error))).into_response();
    }
    let session = token.new_session(&state.handle.observer(), state.now());
    let next = if is_local_path(&next) && !next.is_empty() { next.as_str() } else { pages::HOME };
    see_other(&root, next, Some(session_cookie(&state, &headers, &session, SESSION_SECS)))
}

async fn log_out(Extract(state): Extract<State>, root: Root, headers: HeaderMap) -> Response {
    see_other(&root, pages::HOME, Some(session_cookie(&state, &headers, "", 0)))
}

/// Formats the session cookie. Without a `Path` attribute it applies to the directory of `/login`, which is
/// the directory in which the router is mounted.
fn session_cookie(state: &Shared, headers: &HeaderMap, session: &str, max_age_secs: u64) -> String {
    let name = cookie_name(&state.handle.observer());
    // Set by a proxy that terminates TLS.
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={session}; Max-Age={max_age_secs}; HttpOnly; SameSite=Strict{secure}")
}

fn see_other(root: &Root, next: &str, cookie: Option<String>) -> Response {
    let location = (header::LOCATION, root.link(next));
    let cookie = cookie.map(|cookie| [(header::SET_COOKIE, cookie)]);
    match cookie {
        Some(cookie) => (StatusCode::SEE_OTHER, [location], cookie).into_response(),
        None => (StatusCode::SEE_OTHER, [location]).into_response(),
    }
}

/// Returns whether `next` is a path below the dashboard root, so that a login cannot redirect elsewhere.
fn is_local_path(next: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"/?=&_.%+-".contains(&b);
    next.bytes().all(is_allowed) && !next.starts_with('/') && !next.contains("//") && !next.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_paths_are_accepted_as_redirect() {
        for path in ["", "coverage", "peers/02ab?window=7d", "?q=a+b%3A&presence=offline"] {
            assert!(is_local_path(path), "{path}");
        }
        for path in [
            "//evil.example",
            "/x",
            "https://evil.example",
            "javascript:alert(1)",
            "a\\b",
            "a//b",
            "../x",
            "a\r\nb",
        ] {
            assert!(!is_local_path(path), "{path}");
        }
    }

    #[test]
    fn session_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; ldk=2;b=3".parse().unwrap());
        headers.append(header::COOKIE, "ldk=4=5; ldk_other=6".parse().unwrap());
        assert_eq!(session_cookies(&headers, "ldk").collect::<Vec<_>>(), ["2", "4=5"]);
    }
}
