//! dhcp through the real binary: the plugin under `bridge`, its daemon, and dnsmasq as the server, in a host of each test's own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking, starts servers, and indexes into JSON that it expects"
)]

mod add;
mod check;
mod crash;
mod daemon;
mod del;
mod gc;
mod junk;
mod life;
mod reference;
mod stage;
mod v6;
