//! The style sheet, the script and the icon. Their URLs contain a content hash, so that browsers may cache
//! them indefinitely.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::state::State;

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/app.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// Paths relative to the dashboard root, with a content hash in the query.
pub(crate) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| versioned("assets/style.css", STYLE));
pub(crate) static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| versioned("assets/app.js", SCRIPT));
pub(crate) static ICON_PATH: LazyLock<String> = LazyLock::new(|| versioned("assets/icon.svg", ICON));

pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/assets/style.css", get(async || asset(STYLE, "text/css; charset=utf-8")))
        .route("/assets/app.js", get(async || asset(SCRIPT, "text/javascript; charset=utf-8")))
        .route("/assets/icon.svg", get(async || asset(ICON, "image/svg+xml")))
}

fn versioned(path: &str, content: &str) -> String {
    format!("{path}?v={:016x}", fnv1a(content))
}

/// FNV-1a. The hash only has to change with the content; it is not a security measure.
fn fnv1a(content: &str) -> u64 {
    content
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn asset(content: &'static str, content_type: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, content).into_response()
}
