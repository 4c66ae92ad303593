//! Section 7, conventions: what `runtimeConfig` has for a plugin that declares the capability.

use super::{Requirement, reference, should};

pub(super) const TABLE: &[Requirement] = &[
    reference("7.3.CNIDeviceInfoFile", "P", "`CNIDeviceInfoFile` is the path of a file about the device.")
        .since("0.3.0")
        .untested("plugin-specific: no convention says what a plugin does with it"),
    should(
        "7.3.aliases",
        "P",
        "`aliases`, a list of names of the container, is accepted; so is an object of lists by network, which \
         clients send, too.",
    )
    .since("0.3.0"),
    should(
        "7.3.bandwidth",
        "P",
        "`bandwidth` has `ingressRate` and `egressRate` in bits per second, and `ingressBurst` and `egressBurst` in \
         bits.",
    )
    .since("0.3.0"),
    should("7.3.cgroupPath", "P", "`cgroupPath` is the path of the pod's control group.")
        .since("0.3.0")
        .untested("plugin-specific: no convention says what a plugin does with it"),
    should("7.3.deviceID", "P", "`deviceID` is the address of the device that is moved into the container.")
        .since("0.3.0")
        .untested("needs a device on a bus that the host can give away"),
    should("7.3.dns", "P", "`dns` has `servers`, `searches` and `options`, which come out as the `dns` of the result.")
        .since("0.3.0"),
    should("7.3.infinibandGUID", "P", "`infinibandGUID` is the GUID of the interface.")
        .since("0.3.0")
        .untested("needs InfiniBand hardware"),
    should(
        "7.3.ipRanges",
        "P",
        "`ipRanges` is a list of pools, one for each address; a pool is a list of `subnet`, `rangeStart`, \
         `rangeEnd`, `gateway`.",
    )
    .since("0.3.0"),
    should("7.3.ips", "P", "`ips` is a list of the addresses to assign, with or without prefix length.").since("0.3.0"),
    should("7.3.mac", "P", "`mac` is the hardware address that the interface gets.").since("0.3.0"),
    reference("7.3.pod-annotations", "P", "`io.kubernetes.cri.pod-annotations` is an object of strings, or `null`.")
        .since("0.3.0"),
    should(
        "7.3.portMappings",
        "P",
        "`portMappings` is a list of `hostPort`, `containerPort`, `protocol` and optional `hostIP`, which is any \
         address if it is absent or empty.",
    )
    .since("0.3.0"),
    should(
        "7.11a",
        "P",
        "A field of a declared capability that the plugin cannot use, malformed or not supported, makes it fail.",
    )
    .since("0.3.0"),
    should("7.11b", "P", "Capabilities that the plugin did not ask for are ignored.").since("0.3.0"),
    reference(
        "7.12",
        "P",
        "The keys inside `runtimeConfig` are matched without regard to case: `HostPort`, `IngressRate`.",
    )
    .since("0.3.0"),
    reference(
        "7.13",
        "P",
        "A capability that is an empty list, `null` or absent leaves nothing to do, and is no error.",
    )
    .since("0.3.0"),
    reference("7.14a", "P", "`hostPort` and `containerPort` may be 1 to 65535.").since("0.3.0"),
    reference("7.14b", "P", "A `hostPort` of 0 is refused.").since("0.3.0"),
    reference("7.14c", "P", "A burst of 34359738359, far beyond 32 bits, is accepted.").since("0.3.0"),
    should("7.15a", "H", "A plugin that does not care about the kind of the interface works behind any.")
        .since("0.3.0"),
    should("7.15b", "H", "A plugin that could create the interface may do so when it is not chained.")
        .since("0.3.0")
        .untested("a permission: nothing can break it"),
    should(
        "7.15c",
        "I",
        "A plugin that creates an interface accepts a `prevResult` with an interface on the host in it.",
    )
    .since("0.3.0"),
    reference("7.16a", "P", "`protocol` may be tcp, udp and sctp.").since("0.3.0"),
    reference("7.16b", "P", "`protocol` is matched without regard to case.").since("0.3.0"),
];
