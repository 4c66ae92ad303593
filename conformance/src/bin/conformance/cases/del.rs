//! DEL, in all its ugly forms.

use crate::case::Case;

pub const CASES: &[Case] = &[];
