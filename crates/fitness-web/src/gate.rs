//! Who may ask, where there is a token: a program that sends it, or a browser that was told it once.

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
    // The form is shown wherever somebody is refused, and has no place of its own.
    let elsewhere = async |root: Root| Redirect::to(&root.link(pages::HOME));
    Router::new().route("/login", post(log_in).get(elsewhere)).route("/logout", post(log_out).get(elsewhere))
}

/// Lets through who knows the token, and everybody where there is none.
pub(crate) async fn check(Extract(state): Extract<State>, request: Request, next: Next) -> Response {
    let is_known = match &state.token {
        None => true,
        Some(_) => knows_it(&state, request.headers()),
    };
    if is_known {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"ldk-fitness\"")];
    if wants_page(&parts) {
        let Ok(root) = Root::from_request_parts(&mut parts, &()).await;
        let next = parts.uri.path_and_query().map_or("", |asked| asked.as_str());
        let page = pages::login(&root, next.trim_start_matches('/'), None);
        return (StatusCode::UNAUTHORIZED, challenge, page).into_response();
    }
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "this needs the token: send it as `Authorization: Bearer TOKEN`",
    );
    (challenge, problem).into_response()
}

fn wants_page(parts: &Parts) -> bool {
    let path = parts.uri.path();
    !path.starts_with("/api/") && path != "/metrics"
}

fn knows_it(state: &Shared, headers: &HeaderMap) -> bool {
    let Some(token) = &state.token else { return true };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.and_then(|value| value.split_once(' '));
    if let Some((_, secret)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        return token.is(secret.trim());
    }
    let name = cookie_name(&state.handle.observer());
    sessions(headers, &name).any(|session| token.opens(session, &state.handle.observer(), state.now()))
}

/// One name for each node: cookies do not tell ports apart, and several may be watched on one machine.
fn cookie_name(observer: &NodeId) -> String {
    let mut id = observer.to_string();
    id.truncate(16);
    format!("ldk_fitness_{id}")
}

fn sessions<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

#[derive(Deserialize)]
struct LogIn {
    token: String,
    /// Where to go on, counted from the root.
    #[serde(default)]
    next: String,
}

async fn log_in(
    Extract(state): Extract<State>,
    root: Root,
    headers: HeaderMap,
    Form(LogIn { token: given, next }): Form<LogIn>,
) -> Response {
    let Some(token) = &state.token else { return see_other(&root, pages::HOME, None) };
    if !token.is(given.trim()) {
        let said = "That is not the token. It stands where the server was started.";
        return (StatusCode::UNAUTHORIZED, pages::login(&root, &next, Some(said))).into_response();
    }
    let session = token.session(&state.handle.observer(), state.now());
    let next = if is_ours(&next) && !next.is_empty() { next.as_str() } else { pages::HOME };
    see_other(&root, next, Some(cookie(&state, &headers, &session, SESSION_SECS)))
}

async fn log_out(Extract(state): Extract<State>, root: Root, headers: HeaderMap) -> Response {
    see_other(&root, pages::HOME, Some(cookie(&state, &headers, "", 0)))
}

/// Without a path it is for the directory of the login, which is where the router is mounted.
fn cookie(state: &Shared, headers: &HeaderMap, session: &str, age: u64) -> String {
    let name = cookie_name(&state.handle.observer());
    // A proxy that speaks TLS for us says so.
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={session}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

fn see_other(root: &Root, next: &str, cookie: Option<String>) -> Response {
    let location = (header::LOCATION, root.link(next));
    let cookie = cookie.map(|cookie| [(header::SET_COOKIE, cookie)]);
    match cookie {
        Some(cookie) => (StatusCode::SEE_OTHER, [location], cookie).into_response(),
        None => (StatusCode::SEE_OTHER, [location]).into_response(),
    }
}

/// Whether it leads to a page of ours, and nowhere else.
fn is_ours(next: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/?=&_.%+-".contains(&b);
    next.bytes().all(is_plain) && !next.starts_with('/') && !next.contains("//") && !next.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_to_our_own_pages_alone() {
        for ours in ["", "coverage", "peers/02ab?window=7d", "?q=a+b%3A&state=offline"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "//evil.example",
            "/x",
            "https://evil.example",
            "javascript:alert(1)",
            "a\\b",
            "a//b",
            "../x",
            "a\r\nb",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; ldk=2;b=3".parse().unwrap());
        headers.append(header::COOKIE, "ldk=4=5; ldk_other=6".parse().unwrap());
        assert_eq!(sessions(&headers, "ldk").collect::<Vec<_>>(), ["2", "4=5"]);
    }
}
