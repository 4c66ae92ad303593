//! How JSON is read: keys in any case, null, duplicates, unknown keys.

use crate::case::Case;

pub const CASES: &[Case] = &[];
