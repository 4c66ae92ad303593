//! CNI_ARGS, `args` in the configuration, `runtimeConfig`.

use crate::case::Case;

pub const CASES: &[Case] = &[];
