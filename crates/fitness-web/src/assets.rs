//! The one style, the one script and the icon: part of the program, and kept by browsers until they change.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::state::State;

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/app.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// Where they stand, counted from the root, under names that change with what they name.
pub(crate) static STYLE_AT: LazyLock<String> = LazyLock::new(|| versioned("assets/style.css", STYLE));
pub(crate) static SCRIPT_AT: LazyLock<String> = LazyLock::new(|| versioned("assets/app.js", SCRIPT));
pub(crate) static ICON_AT: LazyLock<String> = LazyLock::new(|| versioned("assets/icon.svg", ICON));

pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/assets/style.css", get(async || asset(STYLE, "text/css; charset=utf-8")))
        .route("/assets/app.js", get(async || asset(SCRIPT, "text/javascript; charset=utf-8")))
        .route("/assets/icon.svg", get(async || asset(ICON, "image/svg+xml")))
}

fn versioned(path: &str, content: &str) -> String {
    format!("{path}?v={:016x}", fingerprint(content))
}

/// FNV-1a: no secret, only different where the content is.
fn fingerprint(content: &str) -> u64 {
    content
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn asset(content: &'static str, kind: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, content).into_response()
}
