//! Compares whole screens with the text files in this directory.

use std::path::Path;

/// Asserts that `actual` equals the golden file. With `UPDATE_GOLDEN` set, writes the file instead.
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).expect("write the golden file");
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; run with UPDATE_GOLDEN=1 to create it"));
    assert!(
        actual == expected,
        "output differs from {name}; run with UPDATE_GOLDEN=1 if this is intended\n\
         --- expected\n{expected}\n--- actual\n{actual}"
    );
}
