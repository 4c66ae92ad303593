//! CHECK: silent right after ADD, loud when something is gone.

use crate::case::Case;

pub const CASES: &[Case] = &[];
