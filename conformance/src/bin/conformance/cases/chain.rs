//! Behind another plugin: odd but legal previous results.

use crate::case::Case;

pub const CASES: &[Case] = &[];
