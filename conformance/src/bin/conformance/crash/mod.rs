//! `crash`: what is left of a plugin that is killed, or whose system calls fail.
//!
//! A [sweep](plan::Sweep) is one operation with one fault, at every system call in turn. Each [point](point) has a container of
//! its own, and ends with a host as it was before; [worker] processes share the points.

mod outcome;
mod plan;
mod point;
mod queue;
mod report;
mod sweep;
mod tracer;
pub mod worker;

pub use plan::{Cleanup, Kind, Operation};
pub use sweep::run;
