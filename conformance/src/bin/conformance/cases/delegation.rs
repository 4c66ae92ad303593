//! What a plugin that has a delegate does with it, seen by a stub.

pub mod answer;
pub mod failure;
pub mod find;
pub mod forward;
pub mod handover;
pub mod missing;
pub mod rollback;
pub mod streams;

use crate::case::Needs;

const DELEGATING: Needs = Needs::Delegating;
