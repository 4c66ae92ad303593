//! Section 6: the exact behaviour of the Go skeleton, which a plugin that replaces one of its plugins has to have.

use super::{Requirement, reference};

pub(super) const TABLE: &[Requirement] = &[
    reference("6.1a", "P", "A variable with an invalid value is reported before those that are missing."),
    reference("6.1b", "P", "Of several variables with invalid values, CNI_CONTAINERID is reported before CNI_IFNAME."),
    reference(
        "6.2",
        "P",
        "Missing variables get code 4 and `required env variables [A,B] missing`, in the order CNI_CONTAINERID, \
         CNI_NETNS, CNI_IFNAME, CNI_PATH.",
    ),
    reference(
        "6.3",
        "P",
        "An illegal container ID gets code 4 and `invalid characters in containerID`, with the ID as details.",
    ),
    reference(
        "6.4a",
        "P",
        "An interface name of 16 bytes or more gets code 4 and `interface name is too long`, with `interface name \
         should be less than 16 characters` as details.",
    ),
    reference("6.4b", "P", "The interface names `.` and `..` get code 4 and `interface name is . or ..`."),
    reference(
        "6.4c",
        "P",
        "An interface name with `/`, `:` or white space in it gets code 4 and `interface name contains / or : or \
         whitespace characters`.",
    ),
    reference("6.4d", "P", "An empty interface name is reported as a missing variable."),
    reference("6.5", "P", "Variables are validated only for the commands that require them: ADD, CHECK and DEL."),
    reference(
        "6.6a",
        "P",
        "With CNI_COMMAND unset or empty, a plugin that has an about text prints that on stderr and then `CNI \
         protocol versions supported: 0.1.0, ...`, nothing on stdout, and exits with 0.",
    ),
    reference("6.6b", "P", "With CNI_COMMAND unset or empty, a plugin that has no about text fails with code 4."),
    reference("6.6c", "P", "Arguments on the command line change nothing."),
    reference("6.7", "P", "The about text is the line `CNI <name> plugin <version>`."),
    reference("6.8a", "P", "VERSION does not wait for stdin.").since("0.2.0"),
    reference("6.8b", "P", "The answer to VERSION is one line without spaces, with a newline at its end.")
        .since("0.2.0"),
    reference(
        "6.8c",
        "P",
        "`cniVersion` in the answer to VERSION is the newest version that the plugin's library knows.",
    )
    .since("0.2.0"),
    reference("6.9a", "P", "Every other command reads stdin to its end, unknown commands included."),
    reference("6.9b", "P", "A stdin that cannot be read gets code 5 and `error reading from stdin: ...`."),
    reference(
        "6.10a",
        "P",
        "A stdin that is empty, not JSON, an array or a scalar gets code 6 and `error unmarshall network config: \
         ...`.",
    ),
    reference("6.10b", "P", "A `name` that is not a string gets code 6."),
    reference("6.11a", "P", "A `name` that is absent, empty or `null` gets code 7 and `missing network name`."),
    reference("6.11b", "P", "A stdin that is `null` gets code 7."),
    reference(
        "6.12",
        "P",
        "An illegal `name` gets code 7 and `invalid characters found in network name`, with the name as details.",
    ),
    reference(
        "6.13a",
        "P",
        "An unknown command X, or one not in upper case, gets code 4 and `unknown CNI_COMMAND: X`.",
    ),
    reference(
        "6.13b",
        "P",
        "The configuration is validated before the command: 6 and 7 come before 4 for an unknown command.",
    ),
    reference("6.14a", "P", "ADD and DEL in a version that is not literally among those supported get code 1."),
    reference(
        "6.14b",
        "P",
        "Code 1 comes with `incompatible CNI versions` and with `config is \"X\", plugin supports [\"a\" \"b\"]` as \
         details.",
    ),
    reference("6.15a", "P", "CHECK in a version that cannot be decoded gets code 6."),
    reference("6.15b", "P", "CHECK in a version before 0.4.0 gets code 1 and `config version does not allow CHECK`."),
    reference(
        "6.15c",
        "P",
        "CHECK in a version above all that are supported gets code 1 and `plugin version does not allow CHECK`.",
    ),
    reference(
        "6.15d",
        "P",
        "CHECK in another version that is not literally among those supported gets code 1, as ADD does.",
    ),
    reference("6.16a", "P", "GC in a version before 1.1.0 gets code 1 and `config version does not allow GC`."),
    reference("6.16b", "P", "STATUS in a version before 1.1.0 gets code 1 and `config version does not allow STATUS`."),
    reference(
        "6.16c",
        "P",
        "GC and STATUS in a version above all that are supported get code 1 and `plugin version does not allow GC`, \
         or STATUS.",
    ),
    reference("6.17a", "P", "ADD and DEL with junk for `cniVersion` get code 1."),
    reference("6.17b", "P", "GC and STATUS with junk for `cniVersion` get code 6, as CHECK does."),
    reference("6.17c", "P", "A `cniVersion` that is not a string gets code 6, whatever the command."),
    reference("6.18", "P", "A `cniVersion` that is absent or empty is 0.1.0."),
    reference("6.19", "P", "`CNIVersion` and `NAME` are `cniVersion` and `name`."),
    reference("6.20", "P", "GC and STATUS of a plugin that does nothing for them succeed in silence.").since("1.1.0"),
    reference("6.21", "P", "Anything but white space behind the configuration on stdin gets code 6."),
    reference("6.22", "P", "The version `1.0` is not `1.0.0`, and gets code 1."),
    reference("6.23a", "P", "An error object from below, such as a delegate's, goes out unchanged."),
    reference("6.23b", "P", "An error that has no code of its own gets code 999, with its text as message.")
        .untested("from outside, an error with no code of its own cannot be told from others"),
    reference(
        "6.24",
        "P",
        "An error is on stdout, with an indent of 4 spaces and no newline at its end; the exit status is 1.",
    ),
    reference("6.25", "P", "A crash ends with status 2, and its trace on stderr.")
        .untested("a crash cannot be provoked on purpose; one that happens breaks 2.18a"),
    reference("6.26", "P", "The skeleton does not mind that ADD printed no result.")
        .untested("2.17a is the rule, and tested"),
    reference(
        "6.27a",
        "P",
        "ADD and DEL with the plugin's own namespace as CNI_NETNS get code 8 and `plugin's netns and netns from \
         CNI_NETNS should not be the same`.",
    ),
    reference("6.27b", "P", "DEL with a CNI_NETNS that cannot be opened, or is no namespace, does not get code 8."),
    reference("6.27c", "P", "CHECK with the plugin's own namespace as CNI_NETNS does not get code 8.").since("0.4.0"),
    reference("6.27d", "P", "CNI_NETNS_OVERRIDE `1` or `true`, in any case, switches code 8 off."),
    reference("6.27e", "P", "ADD compares the namespaces after its work, so that result and error are both printed.")
        .untested("contradicts 2.18b; 6.28a is how it should be"),
    reference("6.28a", "P", "ADD compares the namespaces before its work."),
    reference(
        "6.28b",
        "P",
        "DEL with the plugin's own namespace leaves the namespace alone, and still releases what is on the host.",
    ),
    reference(
        "6.28c",
        "P",
        "DEL with the plugin's own namespace succeeds where an error would block the runtime for ever.",
    )
    .untested("contradicts 6.27a: success and code 8 both pass"),
];
