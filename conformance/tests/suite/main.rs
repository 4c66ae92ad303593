//! The suite against plugins that are scripts, good ones and bad ones: it has to tell which is which.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking, and its subject is a process"
)]

mod broken;
mod catalogue;
mod crash;
mod judge;
mod plugins;
mod reports;
mod usage;
