//! ADD: what is there when it returns, and what is not there when it fails.

use crate::case::Case;

pub const CASES: &[Case] = &[];
