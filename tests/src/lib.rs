//! End-to-end tests of ldk-fitness on real LDK nodes.
