//! Section 4: plugins that run others, and those that are run by them.

use super::{Requirement, must, reference, should};

pub(super) const TABLE: &[Requirement] = &[
    must(
        "4.1a",
        "U",
        "The delegate is looked for in the directories of CNI_PATH, in their order, and the first one is run.",
    ),
    reference(
        "4.1b",
        "U",
        "What is looked for is a regular file or a link to one: a directory of that name is passed over.",
    ),
    reference("4.1c", "U", "The first file of the name is run even if it is not executable, so the call fails."),
    reference("4.1d", "U", "A delegate whose name has a `/` in it is refused."),
    reference("4.1e", "U", "With an empty CNI_PATH, a call that needs the delegate fails."),
    reference("4.1f", "U", "An empty element of CNI_PATH is the working directory.")
        .untested("contradictory: the reference does it, and it is better not done"),
    must("4.2a", "U", "The delegate gets the environment that the plugin got, variables included that are not CNI's."),
    must("4.2b", "U", "In the delegate's environment only CNI_COMMAND may differ: DEL where an ADD is rolled back."),
    must(
        "4.3a",
        "U",
        "The delegate gets the whole configuration on stdin: `prevResult`, `runtimeConfig`, `args`, unknown keys.",
    ),
    reference("4.3b", "U", "The delegate gets the configuration as it was written, byte by byte."),
    must("4.4a", "U", "What the delegate prints on stderr is on the plugin's stderr."),
    must("4.4b", "U", "What the delegate prints on stdout is not on the plugin's stdout."),
    must("4.5a", "U", "DEL runs DEL of the delegate."),
    must("4.5b", "U", "CHECK runs CHECK of the delegate.").since("0.4.0"),
    must("4.5c", "U", "GC runs GC of the delegate.").since("1.1.0"),
    must("4.5d", "U", "STATUS runs STATUS of the delegate.").since("1.1.0"),
    must("4.5e", "U", "An error of the delegate is the plugin's error, whatever the command."),
    should("4.6", "U", "When ADD of the delegate fails, its DEL is run before the plugin's ADD fails."),
    must("4.7", "U", "When ADD fails after that of the delegate, DEL of the delegate is run."),
    must("4.8a", "D", "The `ips` in the result of a delegate have no `interface`.").since("0.3.0"),
    must("4.8b", "D", "The result of a delegate has no `interfaces`.").since("0.3.0"),
    must("4.8c", "D", "The `cniVersion` in the result of a delegate is that of the request."),
    must("4.8d", "U", "A delegate's result without `routes` or `dns` is accepted."),
    should("4.9", "U", "The error object of a delegate keeps its code, message and details in the plugin's."),
    reference("4.10", "U", "ADD fails if the result of the delegate has no address."),
    should("4.11a", "U", "DEL runs DEL of the delegate before it removes what is the plugin's own."),
    should(
        "4.11b",
        "U",
        "When DEL of the delegate fails, the plugin's own is still removed, and the error reported at the end.",
    ),
    should("4.11c", "U", "DEL fails when the delegate is not installed, so that it is repeated."),
    must("4.12a", "U", "The interface is in the namespace when ADD of the delegate runs."),
    must("4.12b", "DU", "The interface is up when ADD of the delegate runs, or the delegate sets it up.")
        .untested("either of the two may do it: nothing that one of them does alone breaks it"),
    reference("4.13", "D", "A delegate works as an entry of a list, run by the runtime itself."),
    reference("4.14", "U", "A result of the delegate in another version than the request's is converted."),
];
