//! Plugins that hand out addresses.

use crate::case::Case;

pub const CASES: &[Case] = &[];
