//! What the reference's plugins do beyond the specification, because of the library that they share.

use crate::case::Case;

pub const CASES: &[Case] = &[];
