//! ldk-fitness.
fn main() {}
