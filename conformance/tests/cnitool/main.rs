//! cnitool against plugins that record what they get and answer what the test wants. No network is touched: to the runtime a
//! network namespace is a string.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking, and its subject is a process"
)]

mod add;
mod cache;
mod check;
mod del;
mod gc;
mod ls;
mod rm_network;
mod stage;
mod status;
mod usage;
mod validate;
