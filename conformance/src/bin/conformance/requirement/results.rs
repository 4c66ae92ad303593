//! Section 3, results: the layout of each version, the fields, and what becomes of them between versions.

use super::{Requirement, must, reference};

pub(super) const TABLE: &[Requirement] = &[
    must(
        "3.8.v0_1_0",
        "P",
        "A result of 0.1.0 has `ip4` and `ip6`, each with `ip` and optional `gateway` and `routes` of `dst` and \
         optional `gw`, and `dns` of `nameservers`, `domain`, `search`, `options`; neither `interfaces` nor `ips` \
         nor `routes` beside them.",
    )
    .since("0.1.0")
    .until("0.1.0"),
    must("3.8.v0_2_0", "P", "A result of 0.2.0 has the layout of 0.1.0: `ip4`, `ip6`, `dns`.")
        .since("0.2.0")
        .until("0.2.0"),
    must(
        "3.8.v0_3_0",
        "P",
        "A result of 0.3.0 has `interfaces` of `name`, optional `mac` and `sandbox`; `ips` of `version`, `address`, \
         optional `gateway` and `interface`; `routes` of `dst` and optional `gw`; `dns`; neither `ip4` nor `ip6`.",
    )
    .since("0.3.0")
    .until("0.3.0"),
    must(
        "3.8.v0_3_1",
        "P",
        "A result of 0.3.1 has the layout of 0.3.0: `interfaces`, `ips` with `version`, `routes`, `dns`.",
    )
    .since("0.3.1")
    .until("0.3.1"),
    must(
        "3.8.v0_4_0",
        "P",
        "A result of 0.4.0 has the layout of 0.3.0: `interfaces`, `ips` with `version`, `routes`, `dns`.",
    )
    .since("0.4.0")
    .until("0.4.0"),
    must(
        "3.8.v1_0_0",
        "P",
        "A result of 1.0.0 has `interfaces`, `ips`, `routes` and `dns` as in 0.4.0, but `ips` without `version`; \
         neither `ip4` nor `ip6`.",
    )
    .since("1.0.0")
    .until("1.0.0"),
    must(
        "3.8.v1_1_0",
        "P",
        "A result of 1.1.0 has the layout of 1.0.0, and may have `mtu`, `socketPath`, `pciID` in `interfaces`, and \
         `mtu`, `advmss`, `priority`, `table`, `scope` in `routes`.",
    )
    .since("1.1.0")
    .until("1.1.0"),
    // Fields
    must("3.46a", "P", "`ips[].address` and `routes[].dst` are addresses with a prefix length, in CIDR notation."),
    reference("3.46b", "P", "`ips[].address` keeps its host bits."),
    reference(
        "3.46c",
        "P",
        "An `address` or `dst` that comes in with leading zeros, or without prefix length, is refused.",
    ),
    reference("3.46d", "P", "An IPv4 address that came in as a mapped IPv6 address is printed as IPv4."),
    must("3.47a", "P", "`ips[].version` is there, and is the string `4` or `6`.").since("0.3.0").until("0.4.0"),
    must("3.47b", "P", "`ips[].version` is that of the address and of the gateway.").since("0.3.0").until("0.4.0"),
    must("3.48", "P", "`dst` and `gw` of a route are of one family.").since("0.3.0").until("0.4.0"),
    must("3.49a", "P", "`mtu`, `advmss`, `priority`, `table` and `scope` of a route are unsigned numbers.")
        .since("1.1.0"),
    must(
        "3.49b",
        "I",
        "`mtu`, `advmss`, `priority`, `table` and `scope` of a route of the result are those of the route in the \
         namespace.",
    )
    .since("1.1.0"),
    reference("3.49c", "P", "`mtu`, `advmss` and `priority` of a route are absent rather than 0.").since("1.1.0"),
    reference("3.49d", "P", "`table` and `scope` of a route survive as 0, which is not the same as absent.")
        .since("1.1.0"),
    must("3.50a", "P", "`mtu` of an interface is an unsigned number.").since("1.1.0"),
    must("3.50b", "P", "`socketPath` of an interface is an absolute path.").since("1.1.0"),
    must("3.50c", "P", "`pciID` of an interface is a string.").since("1.1.0"),
    reference("3.50d", "P", "`mtu`, `socketPath` and `pciID` of an interface are absent rather than 0 or empty.")
        .since("1.1.0"),
    reference("3.50e", "P", "A `prevResult` in which `mtu` of an interface is a string is refused.").since("1.1.0"),
    reference("3.51a", "P", "A `gateway` or `gw` that comes in as an empty string is the same as an absent one."),
    reference(
        "3.51b",
        "P",
        "A `prevResult` with an `interface` index out of range is handed on or refused with an error object: nothing \
         crashes.",
    )
    .since("0.3.0"),
    must("3.52", "IU", "The `gateway` of an address makes no route by itself."),
    reference("3.53a", "P", "An empty `dns` is left out of a result.").since("1.0.0"),
    reference("3.53b", "P", "`dns` is in every result, as `{}` if it is empty.").until("0.4.0"),
    reference("3.53c", "P", "Empty `interfaces`, `ips` and `routes` are left out of a result.").since("0.3.0"),
    reference("3.54", "P", "Unknown keys in `prevResult` do no harm; they may be missing from the result.")
        .since("0.3.0"),
    // Between versions
    reference("3.55a", "U", "From 0.1.0 or 0.2.0 upwards, `ip4` becomes the first of `ips` and `ip6` the next.")
        .since("0.3.0"),
    reference(
        "3.55b",
        "U",
        "From 0.1.0 or 0.2.0 upwards, the routes of `ip4` and then those of `ip6` become `routes`.",
    )
    .since("0.3.0"),
    reference("3.55c", "U", "From 0.1.0 or 0.2.0 upwards, `dns` stays as it is.").since("0.3.0"),
    reference("3.56", "P", "From 0.3.0, 0.3.1 or 0.4.0 upwards, `version` of the `ips` goes and all else stays.")
        .since("1.0.0"),
    reference(
        "3.57a",
        "P",
        "From 1.0.0 or 1.1.0 down to 0.3.0, 0.3.1 or 0.4.0, `version` of the `ips` comes from the address.",
    )
    .since("0.3.0")
    .until("0.4.0"),
    reference("3.57b", "P", "Down to 0.3.0, 0.3.1 or 0.4.0, `mtu`, `socketPath` and `pciID` of the interfaces go.")
        .since("0.3.0")
        .until("0.4.0"),
    reference(
        "3.57c",
        "P",
        "Down to 0.3.0, 0.3.1 or 0.4.0, `mtu`, `advmss`, `priority`, `table`, `scope` of the routes may stay.",
    )
    .since("0.3.0")
    .until("0.4.0")
    .untested("a permission: readers ignore them, so keeping and dropping both pass"),
    reference("3.58a", "P", "Down to 0.1.0 or 0.2.0, the first IPv4 and the first IPv6 address stay.").until("0.2.0"),
    reference(
        "3.58b",
        "P",
        "Down to 0.1.0 or 0.2.0, a route goes to the address of its family, with `dst` and `gw` only.",
    )
    .until("0.2.0"),
    reference("3.58c", "P", "Down to 0.1.0 or 0.2.0, routes of a family without address go, and so do all interfaces.")
        .until("0.2.0"),
    reference("3.58d", "P", "An ADD whose result has no address fails in 0.1.0 and 0.2.0.").until("0.2.0"),
    reference("3.58e", "P", "An ADD that fails for want of an address in 0.1.0 or 0.2.0 has created nothing.")
        .until("0.2.0"),
    reference(
        "3.59a",
        "P",
        "Between versions of one layout, 0.1.0 and 0.2.0, 0.3.0 to 0.4.0, 1.0.0 and 1.1.0, what both have stays as \
         it is.",
    ),
    reference("3.59b", "P", "Down from 1.1.0 to 1.0.0, what only 1.1.0 has may stay.")
        .since("1.0.0")
        .until("1.0.0")
        .untested("a permission: readers ignore it, so keeping and dropping both pass"),
    reference("3.60a", "P", "There is no result in a version that nobody knows.")
        .untested("cannot be reached: a configuration of such a version has been refused before (2.27.1)"),
    reference("3.60b", "P", "A result in the empty version is one in 0.1.0."),
    reference("3.61a", "P", "A `prevResult` without `cniVersion` has the version of the configuration.").since("0.3.0"),
    reference(
        "3.61b",
        "P",
        "A `prevResult` of another version with the same layout as the configuration's is accepted.",
    )
    .since("0.3.0"),
    reference(
        "3.61c",
        "P",
        "A `prevResult` of a version with another layout than the configuration's is converted, or refused with an \
         error object.",
    )
    .since("0.3.0"),
];
