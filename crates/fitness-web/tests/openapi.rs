//! The description of the API that is committed is the one that the code gives.
#![allow(missing_docs)]

use std::path::PathBuf;

/// Written anew where `UPDATE` is set.
#[test]
fn the_committed_description_is_the_one_of_the_code() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, fitness_web::openapi()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == fitness_web::openapi(),
        "docs/openapi.json is out of date: UPDATE=1 cargo test -p fitness-web --test openapi"
    );
}
