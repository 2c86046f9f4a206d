//! End-to-end tests of ldk-fitness on real LDK nodes. They are in `e2e/`; here is nothing.
