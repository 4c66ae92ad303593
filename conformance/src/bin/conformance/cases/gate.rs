//! Which command goes with which version of the configuration.

use crate::case::Case;

pub const CASES: &[Case] = &[];
