//! Relative links. The router may be mounted under any prefix, and behind a proxy that removes a prefix, so
//! pages never use absolute paths.

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;

/// The relative path from the requested page to the dashboard root, with a slash at its end: `./` or `../`.
/// If the root was requested without its trailing slash, it contains the last segment of that path as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root(String);

impl Root {
    /// `inner` is the path that the router sees, `original` the path that the browser requested.
    fn of(inner: &str, original: &str) -> Self {
        let depth = inner.trim_start_matches('/').matches('/').count();
        if !inner.trim_matches('/').is_empty() {
            return Self(if depth == 0 { "./".to_owned() } else { "../".repeat(depth) });
        }
        let last = original.rsplit('/').next().unwrap_or_default();
        // Without `./`, a first segment with a colon would be parsed as a URL scheme.
        Self(format!("./{last}{}", if last.is_empty() { "" } else { "/" }))
    }

    /// Returns a link to `path`, which is relative to the dashboard root.
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
    fn links_are_relative_to_the_requested_page() {
        let link = |inner, original| Root::of(inner, original).link("x");
        assert_eq!(link("/", "/"), "./x");
        assert_eq!(link("/", "/wallet/fitness"), "./fitness/x");
        assert_eq!(link("/", "/wallet/fitness/"), "./x");
        assert_eq!(link("/coverage", "/wallet/fitness/coverage"), "./x");
        assert_eq!(link("/peers/02ab", "/wallet/fitness/peers/02ab"), "../x");
        assert_eq!(link("/api/v1/nothing", "/api/v1/nothing"), "../../x");
    }
}
