//! Section 5, running lists: what it means for plugins that runtimes are lax.

use super::{Requirement, reference};

pub(super) const TABLE: &[Requirement] = &[
    reference("5.5", "P", "A configuration works with `capabilities` left in it, and without.").since("1.0.0"),
    reference(
        "5.41",
        "P",
        "DEL succeeds with a `prevResult` from before a reboot, of which no interface and no namespace is there any \
         more.",
    )
    .since("0.4.0"),
];
