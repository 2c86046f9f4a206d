//! Where a page stands: links are relative, so that the router may be mounted under any prefix, and
//! behind a proxy that takes one off.

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;

/// The way from the page that was asked for to the root of the dashboard, ready to go on from: `./`,
/// `../`, or where the root was asked for without its slash, the last part of its own path and one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root(String);

impl Root {
    /// `inner` is the path as the router sees it, `original` as the browser asked for it.
    fn of(inner: &str, original: &str) -> Self {
        let below = inner.trim_start_matches('/').matches('/').count();
        if !inner.trim_matches('/').is_empty() {
            return Self(if below == 0 { "./".to_owned() } else { "../".repeat(below) });
        }
        let last = original.rsplit('/').next().unwrap_or_default();
        // A first part with a colon would be taken for a scheme.
        Self(format!("./{last}{}", if last.is_empty() { "" } else { "/" }))
    }

    /// A link to what stands at `path`, counted from the root.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Root {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let OriginalUri(original) = OriginalUri::from_request_parts(parts, state).await?;
        Ok(Self::of(parts.uri.path(), original.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_everywhere() {
        let root = |inner, original| Root::of(inner, original).link("x");
        assert_eq!(root("/", "/"), "./x");
        assert_eq!(root("/", "/wallet/fitness"), "./fitness/x");
        assert_eq!(root("/", "/wallet/fitness/"), "./x");
        assert_eq!(root("/coverage", "/wallet/fitness/coverage"), "./x");
        assert_eq!(root("/peers/02ab", "/wallet/fitness/peers/02ab"), "../x");
        assert_eq!(root("/api/v1/nothing", "/api/v1/nothing"), "../../x");
    }
}
