//! The OpenAPI 3.1 description of the API, generated from the code.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, ResponseBuilder, SecurityRequirement};
use utoipa::{Modify, OpenApi as _};

use super::{Problem, documented_router};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "ldk-fitness",
        description = "Reliability of a Lightning node's peers and channels. Names that end in `_ns` are \
            integers in nanoseconds: points in time since the Unix epoch, or durations. Unknown values are \
            `null`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact(),
    ),
    servers((url = "../v1", description = "The server of this document")),
    components(schemas(Problem)),
    modifiers(&SecuritySchemes),
)]
struct BaseDocument;

/// Adds what applies to all paths.
struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
        document.info.contact = None;
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Required if the server was started with a token"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let without_token = SecurityRequirement::default();
        document.security =
            Some(vec![SecurityRequirement::new("token", Vec::<String>::new()), without_token]);
    }
}

pub(super) fn base_document() -> OpenApi {
    BaseDocument::openapi()
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let (_, mut document) = documented_router().split_for_parts();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get].into_iter().flatten() {
            let unauthorized = ResponseBuilder::new()
                .description("Missing or invalid token")
                .content("application/problem+json", problem_content())
                .build();
            operation.responses.responses.insert("401".to_owned(), unauthorized.into());
        }
    }
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

fn problem_content() -> utoipa::openapi::Content {
    utoipa::openapi::ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build()
}

/// Returns the OpenAPI 3.1 description of the API under `/api/v1`, which is also served at
/// `/api/v1/openapi.json`.
#[must_use]
pub fn openapi() -> &'static str {
    &DOCUMENT
}

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}
