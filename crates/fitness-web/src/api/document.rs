//! The description of the API (OpenAPI 3.1), as it comes from the code.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, ResponseBuilder, SecurityRequirement};
use utoipa::{Modify, OpenApi as _};

use super::{Problem, described};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "ldk-fitness",
        description = "How reliable a Lightning node's peers and channels are. Names that end in `_ns` are \
            integers, nanoseconds: moments since the Unix epoch, or durations. What is not known is `null`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact(),
    ),
    servers((url = "../v1", description = "Where this document was found")),
    components(schemas(Problem)),
    modifiers(&Everywhere),
)]
struct Begin;

/// What holds of every path.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut OpenApi) {
        document.info.contact = None;
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Where the server was given a token"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let open = SecurityRequirement::default();
        document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new()), open]);
    }
}

pub(super) fn begin() -> OpenApi {
    Begin::openapi()
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let (_, mut document) = described().split_for_parts();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get].into_iter().flatten() {
            let refused = ResponseBuilder::new()
                .description("The token is missing, or another one")
                .content("application/problem+json", problem())
                .build();
            operation.responses.responses.insert("401".to_owned(), refused.into());
        }
    }
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

fn problem() -> utoipa::openapi::Content {
    utoipa::openapi::ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build()
}

/// The description of the API under `/api/v1`, in OpenAPI 3.1: what `/api/v1/openapi.json` answers.
#[must_use]
pub fn openapi() -> &'static str {
    &DOCUMENT
}

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}
