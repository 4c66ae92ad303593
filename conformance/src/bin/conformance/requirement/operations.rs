//! Section 3, the commands: ADD, DEL, CHECK, GC, STATUS, VERSION. What a result looks like is in `results`.

use super::{Requirement, must, reference, should};

pub(super) const TABLE: &[Requirement] = &[
    // ADD
    must("3.1a", "I", "ADD creates the interface CNI_IFNAME in the namespace CNI_NETNS."),
    must("3.1b", "H", "ADD of a chained plugin adjusts what is there: the interface CNI_IFNAME stays in its place."),
    must("3.2a", "I", "ADD fails if the interface cannot have the name CNI_IFNAME."),
    must(
        "3.2b",
        "I",
        "ADD fails if there is an interface CNI_IFNAME in the namespace already, and leaves that one alone.",
    ),
    must("3.2c", "H", "ADD of a chained plugin accepts that there is an interface CNI_IFNAME."),
    must(
        "3.3a",
        "P",
        "The result of an ADD that got a `prevResult` has everything that was in it, but for what the plugin is to \
         change.",
    )
    .since("0.3.0"),
    must("3.3b", "H", "ADD of a plugin that has nothing to add prints a result that is equal to `prevResult`.")
        .since("0.3.0"),
    reference("3.3c", "H", "A plugin may leave out of its result what was in `prevResult`.")
        .since("0.3.0")
        .until("0.4.0")
        .untested("a permission of old versions: nothing can break it"),
    must("3.4a", "P", "The `cniVersion` of the result is that of the request."),
    must("3.4b", "P", "The result of a request without version has the layout of 0.1.0."),
    must("3.5a", "I", "`interfaces` has the interface that ADD created in the container.").since("0.3.0"),
    must(
        "3.5b",
        "I",
        "`interfaces` has what ADD created on the host, or made use of there: bridge, other end of the pair.",
    )
    .since("0.3.0"),
    must(
        "3.6a",
        "I",
        "`sandbox` of an interface in the container is CNI_NETNS as it was given, with no link resolved.",
    )
    .since("0.3.0"),
    must("3.6b", "I", "`sandbox` of an interface on the host is absent or empty.").since("0.3.0"),
    must("3.7a", "I", "`mac` is there for each interface that has a hardware address.").since("0.3.0"),
    must("3.7b", "I", "`mac` is the address that the interface has when ADD returns.").since("0.3.0"),
    should("3.7c", "I", "The address in `mac` is still that of the interface some time after ADD.").since("0.3.0"),
    must("3.8a", "I", "An `interface` in an entry of `ips` is the index of an entry of `interfaces`.").since("0.3.0"),
    must("3.8b", "I", "Addresses of the container's interface have the index of the entry that has the `sandbox`.")
        .since("0.3.0"),
    should("3.9a", "I", "The addresses of the result are on the interface when ADD returns."),
    should("3.9b", "I", "The routes of the result are in the namespace when ADD returns."),
    should("3.10a", "P", "A second ADD of an attachment that is there fails."),
    should("3.10b", "P", "A second ADD does no damage to the attachment that is there."),
    must(
        "3.11a",
        "P",
        "ADDs of different containers at the same time all succeed, and do not get in each other's way.",
    ),
    must("3.11b", "P", "DELs of some containers at the same time as ADDs of others succeed and do their work."),
    reference("3.11c", "P", "ADDs of several interfaces of one container at the same time all succeed."),
    should("3.12a", "P", "An ADD that fails leaves nothing behind: no interface, address, route, rule or reservation."),
    must("3.12b", "P", "DEL after an ADD that failed succeeds."),
    should("3.13", "I", "A route that is in the namespace already, such as a default route, does not make ADD fail."),
    reference("3.14a", "I", "ADD refuses a CNI_NETNS that is the plugin's own network namespace."),
    reference(
        "3.14b",
        "I",
        "ADD refuses its own namespace before it does anything: nothing of it is left, no delegate has run.",
    ),
    // DEL
    must("3.15a", "P", "DEL succeeds however often it is repeated."),
    must("3.15b", "P", "DEL without an ADD before it succeeds."),
    must("3.15c", "P", "DEL succeeds after the namespace is gone."),
    must("3.15d", "P", "DEL succeeds after the interface is gone."),
    must("3.16a", "P", "DEL succeeds without `prevResult`, or with an empty one."),
    should("3.16b", "P", "DEL without `prevResult` still removes everything that the plugin can find by itself."),
    must(
        "3.17",
        "P",
        "DEL works with the final result of the list as `prevResult`, which has interfaces, addresses and routes of \
         other plugins in it.",
    )
    .since("0.4.0"),
    should("3.18a", "U", "DEL runs DEL of the delegate also when the namespace is gone."),
    should("3.18b", "U", "DEL runs DEL of the delegate also when the interface is gone."),
    should("3.18c", "U", "A DEL that fails in its own part has run DEL of the delegate before."),
    should(
        "3.19a",
        "P",
        "After DEL nothing is left on the host of what ADD made for this network, container and interface.",
    ),
    should("3.19b", "P", "DEL takes nothing away from another interface of the container."),
    reference("3.20a", "P", "DEL works with a configuration of another version than at ADD."),
    reference("3.20b", "P", "DEL works with a configuration in which details have changed since ADD."),
    // CHECK
    must("3.21a", "P", "CHECK compares with `prevResult`: it fails for an interface or address in it that never was.")
        .since("0.4.0"),
    reference("3.21b", "P", "CHECK without `prevResult` fails.").since("0.4.0"),
    should("3.22a", "I", "CHECK fails when the interface is gone.").since("0.4.0"),
    should("3.22b", "I", "CHECK fails when an address of the result is gone.").since("0.4.0"),
    should("3.22c", "I", "CHECK fails when a route of the result is gone.").since("0.4.0"),
    should("3.22d", "I", "CHECK fails when the interface is not as the result says, for example has another `mac`.")
        .since("0.4.0"),
    should("3.22e", "P", "CHECK fails when state outside of the result is gone: firewall rules, traffic control.")
        .since("0.4.0"),
    should("3.22f", "D", "CHECK of a delegate fails when the reservation of the address is gone.").since("0.4.0"),
    should("3.22g", "P", "CHECK fails when a daemon that the attachment needs is gone.")
        .since("0.4.0")
        .untested("binds only plugins with a daemon of their own, which nobody but them can name"),
    should("3.22h", "P", "CHECK fails when the plugin knows that the container cannot be reached.")
        .since("0.4.0")
        .untested("plugin-specific: what a plugin knows of reachability cannot be told from outside"),
    must("3.23a", "P", "CHECK accepts routes and addresses that were added after the plugin's ADD.").since("0.4.0"),
    must("3.23b", "P", "CHECK accepts an MTU that was changed after the plugin's ADD.").since("0.4.0"),
    must(
        "3.23c",
        "P",
        "CHECK accepts a hardware address that was changed after the plugin's ADD, and is in `prevResult`.",
    )
    .since("0.4.0"),
    must("3.23d", "P", "CHECK accepts sysctls that were changed after the plugin's ADD.").since("0.4.0"),
    must("3.24", "P", "CHECK immediately after ADD succeeds.").since("0.4.0"),
    should("3.25a", "U", "CHECK runs CHECK of the delegate.").since("0.4.0"),
    should("3.25b", "U", "An error of the delegate's CHECK is the plugin's error.").since("0.4.0"),
    must("3.27", "P", "CHECK that succeeds has no output.").since("0.4.0"),
    // GC
    should("3.29a", "P", "GC removes what is left of attachments of the network that are not listed.").since("1.1.0"),
    must("3.29b", "P", "GC takes nothing away from the attachments that are listed.").since("1.1.0"),
    should("3.29c", "P", "GC takes nothing away from attachments of other networks.").since("1.1.0"),
    should("3.29d", "P", "GC works when the namespaces of the attachments to be removed are gone.").since("1.1.0"),
    must("3.30a", "P", "GC with an empty list removes what is left of every attachment of the network.").since("1.1.0"),
    reference("3.30b", "P", "GC with `null` in place of the list is GC with an empty list.").since("1.1.0"),
    reference("3.30c", "P", "GC without a list removes nothing; it may fail with code 7.").since("1.1.0"),
    should("3.31a", "P", "GC goes on after an error, and removes what it can.").since("1.1.0"),
    should("3.31b", "P", "GC that met errors fails, with one error object that tells them.").since("1.1.0"),
    must("3.32", "U", "GC runs GC of the delegate.").since("1.1.0"),
    must("3.33a", "P", "GC that succeeds has no output.").since("1.1.0"),
    must("3.33b", "P", "GC works without CNI_CONTAINERID, CNI_NETNS and CNI_IFNAME.").since("1.1.0"),
    should("3.35", "P", "GC copes with what an older version of the plugin left, without interface names.")
        .since("1.1.0")
        .untested("plugin-specific: needs files that an older version of this very plugin wrote"),
    // STATUS
    must("3.36a", "P", "STATUS of a plugin that can serve ADD exits with status 0.").since("1.1.0"),
    must("3.36b", "P", "STATUS of a plugin that cannot serve ADD fails, with code 50 or 51.").since("1.1.0"),
    must("3.37a", "U", "STATUS runs STATUS of the delegate that ADD needs.").since("1.1.0"),
    must("3.37b", "U", "An error of the delegate's STATUS, or its absence, is the plugin's error.").since("1.1.0"),
    must("3.38a", "P", "ADD works without a STATUS before it.").since("1.1.0"),
    must("3.38b", "P", "Other commands work, as far as they can, while STATUS fails.").since("1.1.0"),
    should("3.39", "P", "STATUS fails when what ADD hands out is used up, such as the addresses of a range.")
        .since("1.1.0")
        .untested("contested: clients take a node whose STATUS fails out of service, although its containers are fine"),
    must("3.40a", "P", "STATUS changes nothing.").since("1.1.0"),
    must("3.40b", "P", "STATUS is cheap: it answers in a fraction of the half second after which clients ask again.")
        .since("1.1.0"),
    // VERSION
    must("3.41a", "P", "VERSION prints an object with `cniVersion`, a string.").since("0.2.0"),
    must("3.41b", "P", "VERSION prints `supportedVersions`, a list of strings that is not empty.").since("0.2.0"),
    should("3.41c", "P", "`cniVersion` in the answer to VERSION is that of the request.").since("1.0.0"),
    must("3.42a", "P", "VERSION works with no variable but CNI_COMMAND.").since("0.2.0"),
    must("3.42b", "P", "VERSION works with an empty stdin.").since("0.2.0"),
    must(
        "3.44",
        "P",
        "ADD in each of the listed versions works, and has a result in the layout of exactly that version.",
    )
    .since("0.2.0"),
    reference("3.45", "P", "In version 0.3.0, too, the list of addresses is called `ips`.")
        .since("0.3.0")
        .until("0.3.0"),
];
