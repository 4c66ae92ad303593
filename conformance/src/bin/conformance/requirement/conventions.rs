//! Section 7, conventions: `CNI_ARGS`, and `args` in the configuration. What `runtimeConfig` has is in `capabilities`.

use super::{Requirement, must, reference, should};

pub(super) const TABLE: &[Requirement] = &[
    must(
        "7.1",
        "P",
        "CNI_ARGS has pairs `K=V` with `;` between them; keys and values may have any character but `;` and `=`.",
    ),
    reference(
        "7.2a",
        "P",
        "A pair with no `=` or two of them, or an empty one, is an error in a plugin that reads CNI_ARGS: `ARGS: \
         invalid pair`.",
    ),
    reference("7.2b", "P", "A pair may have an empty value."),
    reference("7.2c", "P", "An empty CNI_ARGS is the same as none."),
    reference(
        "7.3a",
        "P",
        "An unknown key is an error in a plugin that reads CNI_ARGS, `ARGS: unknown args`, unless `IgnoreUnknown` is \
         set.",
    ),
    reference("7.3b", "P", "`IgnoreUnknown` is set by `1` and by `true` in any case."),
    reference("7.3c", "P", "`IgnoreUnknown` is not set by `0` or `false`."),
    reference("7.3d", "P", "Any other value of `IgnoreUnknown` is an error in a plugin that reads CNI_ARGS."),
    reference("7.3e", "P", "`IgnoreUnknown` works wherever in CNI_ARGS it is."),
    reference("7.3f", "P", "The keys of CNI_ARGS are matched with regard to case."),
    reference("7.4", "P", "A value that is invalid for its key is an error: `ARGS: error parsing value of pair`."),
    reference("7.5", "P", "Of a key that is in CNI_ARGS twice, the last one counts."),
    reference("7.6a", "P", "IP is an address that IPAM is asked for, GATEWAY its gateway, MAC the hardware address.")
        .untested("plugin-specific: only a profile could name the keys that the plugin has"),
    reference("7.6b", "P", "A plugin that has no use for CNI_ARGS does not validate it."),
    should(
        "7.7a",
        "P",
        "What is said in `args` and in CNI_ARGS, too, is taken from `args` by a plugin that knows `args`.",
    )
    .since("0.2.0"),
    reference(
        "7.7b",
        "D",
        "Addresses from CNI_ARGS, `args` and `runtimeConfig` add up, or replace each other in that order.",
    )
    .since("0.3.0")
    .untested("plugin-specific, and against 7.7a: host-local adds them up, static replaces them"),
    reference(
        "7.8a",
        "P",
        "CNI_ARGS with `IgnoreUnknown=1` and K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_INFRA_CONTAINER_ID and \
         K8S_POD_UID is accepted, in any order and with `.` and `-` in the values.",
    ),
    reference("7.8b", "P", "The keys of Kubernetes in CNI_ARGS are accepted with `IgnoreUnknown=true`, too."),
    should(
        "7.9a",
        "P",
        "`args.cni.ips` has the addresses, with or without prefix length, that a plugin with use for them assigns.",
    )
    .since("0.2.0"),
    should("7.9b", "P", "`args.cni.labels`, a list of objects with `key` and `value`, is accepted.").since("0.2.0"),
    must("7.10", "P", "What the plugin does not know in `args` is ignored whatever its type.").since("0.2.0"),
];
