//! firewall through real chains of `bridge`, host-local and firewall, with the real kernel, both variants of iptables, the
//! real firewalld, and real packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod about;
mod check;
mod choice;
mod crash;
mod del;
mod firewalld;
mod forward;
mod gc;
mod ingress;
mod passthrough;
mod reference;
mod stage;
