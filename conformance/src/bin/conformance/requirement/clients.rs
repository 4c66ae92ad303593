//! What real clients demand of plugins although no line of the other sections does.

use super::{Requirement, reference};

pub(super) const TABLE: &[Requirement] = &[
    // Chains in the field
    reference("C.1", "H", "ADD of a chained plugin takes a `prevResult` whose first interface is on the host.")
        .since("0.3.0"),
    reference("C.2", "H", "ADD of a chained plugin takes a `prevResult` with interfaces on the host only.")
        .since("0.3.0"),
    reference("C.3", "H", "ADD of a chained plugin takes a `prevResult` whose `ips` have no `interface`.")
        .since("0.3.0"),
    reference("C.4", "H", "ADD of a chained plugin takes a `prevResult` with several addresses of each family.")
        .since("0.3.0"),
    reference(
        "C.5",
        "H",
        "ADD of a chained plugin takes a `prevResult` in the layout of every version that it supports.",
    )
    .since("0.3.0"),
    reference(
        "C.6",
        "H",
        "ADD of a chained plugin without `prevResult` ends in a result or an error object, not in a crash.",
    )
    .since("0.3.0"),
    reference(
        "C.7",
        "H",
        "DEL of a chained plugin removes everything in the versions that have no `prevResult` at DEL.",
    )
    .since("0.3.0")
    .until("0.3.1"),
    // Input
    reference("C.8", "P", "An optional key with an empty string as value is the same as an absent one."),
    // DEL
    reference("C.9", "P", "DEL with other CNI_ARGS than at ADD, or with none, succeeds and removes everything."),
    reference("C.10", "P", "DEL without the `runtimeConfig` that ADD got succeeds and removes everything.")
        .since("0.3.0"),
    reference("C.11", "P", "DEL with an empty CNI_NETNS and no `prevResult` removes everything that is on the host."),
    reference("C.12", "P", "ADD works after a DEL of the same attachment with an empty CNI_NETNS."),
    reference(
        "C.13",
        "P",
        "The error of a DEL that failed has neither `not found` nor `no such file or directory` in it: clients take \
         these for success.",
    ),
    // GC
    reference(
        "C.14",
        "P",
        "GC takes the list under `cni.dev/attachments`, too, if `cni.dev/valid-attachments` is not there.",
    )
    .since("1.1.0"),
    // VERSION
    reference("C.15", "P", "VERSION always gives the same answer.").since("0.2.0"),
    reference("C.16", "P", "`supportedVersions` has released versions in their exact spelling, each once.")
        .since("0.2.0"),
    reference("C.17", "P", "`supportedVersions` has at least 0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0.").since("0.2.0"),
    // Result
    reference("C.18", "I", "Every interface with `sandbox` has a `mac` that is not empty.").since("0.3.0"),
    reference("C.19", "I", "Every entry of `ips` has an `interface`.").since("0.3.0"),
    reference("C.20", "I", "No other interface in `interfaces` has the name of the container's.").since("0.3.0"),
    reference(
        "C.21",
        "U",
        "The addresses of the result are in the order of the delegate's: the first is the primary one.",
    ),
    // Single plugins
    reference(
        "C.22",
        "I",
        "A plugin that brings up the loopback interface supports 0.3.1 and the interface name `lo`.",
    )
    .since("0.3.1"),
    reference(
        "C.23",
        "P",
        "The version in the about text can be read as a semantic version, with or without `v` before it.",
    ),
];
