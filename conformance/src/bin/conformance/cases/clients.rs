//! What runtimes got used to.

use crate::case::Case;

pub const CASES: &[Case] = &[];
