//! host-local through the real binary: environment and standard input in, standard output and files out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking, starts processes, and indexes into JSON that it expects"
)]

mod add;
mod auto;
mod boot;
mod check;
mod crash;
mod del;
mod flat;
mod gc;
mod host;
mod interleaved;
mod odd;
mod parallel;
mod reference;
mod status;
