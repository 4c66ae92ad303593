//! Section 1: the configuration, as far as a plugin reads it, and the identifiers that it gets.

use super::{Requirement, must, reference, should};

pub(super) const TABLE: &[Requirement] = &[
    reference("1.6", "P", "A configuration whose `cniVersion` is absent or empty is one of version 0.1.0."),
    reference(
        "1.10",
        "P",
        "Where versions are compared, not looked up, a version is up to three numbers with dots between them, and \
         missing ones are 0. More numbers, empty parts or anything else cannot be decoded.",
    ),
    reference("1.16a", "P", "The keys of the plugin's object are matched without regard to case."),
    reference("1.16b", "P", "Of a key that is in the plugin's object twice, the last one counts."),
    reference(
        "1.19a",
        "P",
        "A key that the plugin does not know does not make it fail, although it would be allowed to.",
    ),
    must("1.19b", "P", "What the plugin does not know inside `args` does not make it fail.").since("0.2.0"),
    should("1.22a", "P", "`ipMasq` true masquerades what leaves the network, in a plugin that has the key."),
    should("1.22b", "P", "DEL takes back what ADD set up for `ipMasq`."),
    should("1.23a", "U", "`ipam.type` is the file name of the delegate that assigns the addresses."),
    should("1.23b", "U", "An `ipam.type` with a path separator in it is refused."),
    should(
        "1.23c",
        "U",
        "No `ipam`, `{}`, `null` and `{\"type\": \"\"}` all mean no addresses, in a plugin that can do without.",
    ),
    should("1.24a", "P", "In `dns`, each of `nameservers`, `domain`, `search` and `options` may be absent."),
    reference("1.24b", "P", "A list of `dns` that is `null` is the same as an absent one."),
    should("1.24c", "P", "The lists of `dns` keep their order from the configuration to the result."),
    should("1.25a", "P", "Without DNS from a delegate, the `dns` of the configuration is the `dns` of the result."),
    should("1.25b", "U", "The `dns` of the configuration comes before that of the delegate."),
    reference("1.25c", "U", "An empty `dns` of the configuration leaves that of the delegate in force."),
    should(
        "1.26",
        "P",
        "The well-known keys `ipMasq`, `ipam` and `dns` have their well-known meaning where they have any.",
    ),
    must("1.32a", "P", "ADD, CHECK and DEL with an empty CNI_CONTAINERID fail.").since("0.4.0"),
    must(
        "1.32b",
        "P",
        "A container ID that does not begin with an ASCII letter or digit, or that has other characters behind it \
         than these and `_`, `.`, `-`, is refused.",
    )
    .since("1.0.0"),
    must("1.32c", "P", "A container ID of one character works."),
    must("1.32d", "P", "A container ID of several hundred characters works."),
    reference("1.33a", "P", "An interface name of 15 bytes is accepted, one of 16 is refused."),
    reference("1.33b", "P", "The interface names `.` and `..` are refused."),
    reference("1.33c", "P", "An interface name with `/`, `:` or white space of any script in it is refused."),
    reference("1.33d", "P", "An interface name with other characters, not only ASCII, is accepted."),
    should("1.34a", "P", "The same container and interface on two networks have separate state on the host."),
    should("1.34b", "P", "Two containers with the same interface on one network have separate state on the host."),
    should("1.34c", "P", "Two interfaces of one container on one network have separate state on the host."),
];
