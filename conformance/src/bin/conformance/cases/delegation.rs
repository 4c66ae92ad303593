//! What a plugin that has a delegate does with it, seen by a stub.

use crate::case::Case;

pub const CASES: &[Case] = &[];
