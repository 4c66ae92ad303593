//! Results: the layout of each version, and that they are true.

use crate::case::Case;

pub const CASES: &[Case] = &[];
