//! A store in the presence of other nodes, administrators, and failures of the server or the network.

mod claims;
mod connections;
mod corruption;
mod fencing;
mod fleet;
mod interrupted_commits;
mod opening;
mod privileges;
mod support;
mod tls;
