//! Section 2: environment, streams, exit status and the error object.

use super::{Requirement, must, reference, should};

pub(super) const TABLE: &[Requirement] = &[
    must(
        "2.1a",
        "P",
        "A command without a variable that it requires fails: CNI_CONTAINERID and CNI_IFNAME for ADD, CHECK and DEL, \
         CNI_NETNS for ADD and CHECK, CNI_PATH for GC.",
    ),
    must("2.1b", "P", "A required variable that is empty counts as missing."),
    must("2.1c", "P", "The error for missing variables has code 4.").since("1.0.0"),
    must("2.1d", "P", "The message for missing variables names each of them.").since("1.0.0"),
    must("2.1e", "P", "A call without CNI_COMMAND fails.")
        .untested("contradicts 6.6a: skeletons describe themselves and exit with 0, and nerdctl relies on it"),
    reference(
        "2.2",
        "P",
        "ADD, CHECK, DEL and STATUS without CNI_PATH either work or fail with an error that names it.",
    ),
    must(
        "2.3a",
        "P",
        "GC and STATUS ignore CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS and CNI_ARGS, be they empty or malformed.",
    )
    .since("1.1.0"),
    must("2.3b", "P", "VERSION ignores every variable but CNI_COMMAND, whatever is in it.").since("0.2.0"),
    must("2.4a", "P", "DEL without CNI_NETNS succeeds."),
    must("2.4b", "P", "DEL with an empty CNI_NETNS succeeds."),
    must("2.4c", "P", "DEL succeeds when there is nothing any more at the path in CNI_NETNS."),
    must("2.5a", "P", "A command that is not in upper case is refused."),
    must("2.5b", "P", "An unknown command is refused."),
    reference(
        "2.5c",
        "P",
        "The message for an unknown command X is `unknown CNI_COMMAND: X`: by this libcni recognizes a plugin \
         without VERSION.",
    ),
    reference("2.8a", "P", "Variables that have nothing to do with CNI do not disturb the plugin."),
    reference("2.8b", "P", "The plugin works in an environment without PATH and HOME."),
    reference(
        "2.11",
        "P",
        "CNI_NETNS_OVERRIDE `1` or `true`, in any case, allows CNI_NETNS to be the plugin's own namespace.",
    ),
    should("2.12", "P", "White space behind the configuration on stdin is accepted."),
    reference("2.13a", "P", "stdin is read to its end, also when it arrives in pieces with pauses between them."),
    reference(
        "2.13b",
        "P",
        "A configuration larger than the buffer of a pipe is accepted, one of a mebibyte included.",
    ),
    reference("2.13c", "P", "VERSION works with stdin empty or closed.").since("0.2.0"),
    reference("2.15a", "P", "The keys of a configuration are matched without regard to case."),
    reference("2.15b", "P", "Unknown keys of a configuration are ignored, whatever their values."),
    reference("2.15c", "P", "An optional key with the value `null` is the same as an absent one."),
    reference("2.15d", "P", "Of a key that is there twice, the last one counts."),
    reference("2.15e", "P", "A known key with a value of the wrong JSON type is an error."),
    must("2.15f", "P", "White space between tokens and escapes in texts make no difference: stdin is JSON."),
    must("2.16a", "P", "A command that succeeds exits with status 0."),
    must("2.16b", "P", "A command that fails exits with another status than 0, and is not ended by a signal."),
    must("2.17a", "P", "A successful ADD prints one result object on stdout and nothing else."),
    must("2.17b", "P", "VERSION prints one version object on stdout and nothing else.").since("0.2.0"),
    must("2.17c", "P", "A successful CHECK prints nothing on stdout.").since("0.4.0"),
    must("2.17d", "P", "A successful DEL prints nothing on stdout."),
    must("2.17e", "P", "A successful GC prints nothing on stdout.").since("1.1.0"),
    reference("2.17f", "P", "A successful STATUS prints nothing on stdout: no output is defined for it.")
        .since("1.1.0"),
    must("2.18a", "P", "A command that fails prints an error object on stdout."),
    must("2.18b", "P", "The error object is the only JSON document on stdout: no result is before it."),
    reference("2.19", "P", "Whatever a plugin prints on stderr is no failure.")
        .untested("a permission: nothing can break it"),
    must("2.21", "P", "An error object never comes with exit status 0."),
    should("2.24a", "P", "After an ADD that was killed at any moment, DEL succeeds and leaves nothing behind."),
    should("2.24b", "P", "After a DEL that was killed at any moment, another DEL succeeds and leaves nothing behind."),
    should("2.25a", "P", "An error object has `code`, an unsigned number."),
    should("2.25b", "P", "An error object has `msg`, a short string."),
    should("2.25c", "P", "`details` of an error object is a string, if it is there."),
    should("2.25d", "P", "An error object has `cniVersion`, a string."),
    reference(
        "2.26a",
        "P",
        "An error is printed with an indent of 4 spaces, as code, msg, details, with no newline at its end.",
    ),
    reference("2.26b", "P", "An error without details has no key `details`."),
    must("2.27", "P", "An error code below 100 is one that the specification defines, and used for what it defines."),
    must("2.27.0", "P", "Code 0 is no error's code."),
    must("2.27.1", "P", "A version that the plugin does not support is refused with code 1.").since("0.1.0"),
    must("2.27.2", "P", "A field that is not supported gets code 2, and the message has its key and its value.")
        .since("0.2.0")
        .untested("plugin-specific: only a profile could name a field that the plugin knows but does not support"),
    must("2.27.3", "P", "Code 3 says that the container is unknown to the plugin, so that no DEL is needed.")
        .since("0.4.0")
        .untested("plugin-specific: nothing that a runtime sends has to provoke it"),
    must("2.27.4", "P", "A variable that is missing or malformed gets code 4, and the message names it.")
        .since("1.0.0"),
    must("2.27.5", "P", "An input or output failure, such as a stdin that cannot be read, gets code 5.").since("1.0.0"),
    must("2.27.6", "P", "Content that cannot be decoded, such as half a JSON document, gets code 6.").since("1.0.0"),
    must("2.27.7", "P", "A configuration that can be decoded but is invalid, such as one with no name, gets code 7.")
        .since("1.0.0"),
    reference("2.27.8", "P", "Code 8 says that CNI_NETNS is the plugin's own network namespace."),
    must("2.27.11", "P", "Code 11 says that the failure is transient and the call can be tried again.")
        .since("0.4.0")
        .untested("plugin-specific: a transient failure cannot be provoked from outside"),
    must("2.27.50", "P", "Code 50 is the answer to STATUS of a plugin that cannot serve ADD.").since("1.1.0"),
    must(
        "2.27.51",
        "P",
        "Code 51 is the answer to STATUS of a plugin that cannot serve ADD, when containers may suffer, too.",
    )
    .since("1.1.0")
    .untested("plugin-specific: how attached containers lose their network cannot be told from outside"),
    must("2.27.100", "P", "Errors of the plugin's own have codes from 100 up."),
];
