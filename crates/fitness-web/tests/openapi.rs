//! docs/openapi.json must match the code.
#![allow(missing_docs)]

use std::path::PathBuf;

/// Set the environment variable `UPDATE` to update the file.
#[test]
fn committed_openapi_document_is_up_to_date() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, fitness_web::openapi()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == fitness_web::openapi(),
        "docs/openapi.json is outdated; run `UPDATE=1 cargo test -p fitness-web --test openapi`"
    );
}
