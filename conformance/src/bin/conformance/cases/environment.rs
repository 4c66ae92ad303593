//! Variables: what each command needs, and what it must not care about.

use crate::case::Case;

pub const CASES: &[Case] = &[];
