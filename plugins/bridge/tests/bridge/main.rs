//! bridge through the real binary and the real kernel, with host-local as the delegate and real packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod add;
mod address;
mod check;
mod crash;
mod del;
mod gc;
mod iptables;
mod lifecycle;
mod masquerade;
mod neighbour;
mod parallel;
mod port;
mod reference;
mod rollback;
mod routes;
mod stage;
mod status;
