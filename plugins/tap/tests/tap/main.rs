//! tap through the real binary and the real kernel, with a process that has the tap open.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod add;
mod check;
mod crash;
mod del;
mod gc;
mod guest;
mod packets;
mod rollback;
mod selinux;
mod stage;
mod status;
mod users;
