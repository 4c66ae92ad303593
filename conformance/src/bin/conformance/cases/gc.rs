//! GC: what is not valid goes, the rest stays.

use crate::case::Case;

pub const CASES: &[Case] = &[];
