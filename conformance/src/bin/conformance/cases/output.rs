//! Standard output, exit status and the error object.

use crate::case::Case;

pub const CASES: &[Case] = &[];
