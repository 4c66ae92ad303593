//! Calls at the same time.

use crate::case::Case;

pub const CASES: &[Case] = &[];
