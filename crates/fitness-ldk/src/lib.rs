//! Adapters from LDK and ldk-node to ldk-fitness.
