//! The input: what is read, and what is refused.

use crate::case::Case;

pub const CASES: &[Case] = &[];
