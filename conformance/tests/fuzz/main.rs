//! The plugins against junk, through their binaries: on standard input, in the environment, in the previous result, and
//! in host-local's directory.
//!
//! Whatever comes, a call ends in time and by itself, with one JSON document or none ([`demands`]). An ADD that fails
//! leaves nothing; what one that succeeds has made, the same input's DEL takes away; and behind every junk call a
//! proper DEL finds its attachment ([`stage`]).
//!
//! `PROPTEST_CASES=5000 cargo test -p conformance --test fuzz` looks longer. A failure shows the call, made as small as
//! it gets, and the seed that leads to it again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking"
)]

mod cases;
mod demands;
mod document;
mod environment;
mod leases;
mod mutation;
mod odd_files;
mod previous;
mod readonly;
mod stage;
mod stdin;
mod subjects;
mod values;

/// Every target for each of these functions of [`subjects`]: here a new plugin joins.
macro_rules! targets {
    ($($(#[$attribute:meta])* $subject:ident)*) => {$(
        mod $subject {
            use crate::{environment, previous, stdin, subjects};

            #[test]
            $(#[$attribute])*
            fn survives_junk_on_stdin() {
                stdin::fuzz(subjects::$subject);
            }

            #[test]
            $(#[$attribute])*
            fn survives_junk_in_the_environment() {
                environment::fuzz(subjects::$subject);
            }

            #[test]
            $(#[$attribute])*
            fn survives_junk_as_previous_result() {
                previous::fuzz(subjects::$subject);
            }
        }
    )*};
}

targets! {
    bandwidth bridge bridge_exposed bridge_iptables firewall firewall_iptables host_device host_local host_local_auto loopback macvlan portmap
    portmap_chosen portmap_iptables ptp ptp_iptables sbr r#static tap tuning
    #[ignore = "needs ipvlan links, and takes long where there are such: PROPTEST_CASES=20 scripts/vm-test"] ipvlan
    #[ignore = "needs dummy links: scripts/vm-test"] dummy
    #[ignore = "needs vlan links: scripts/vm-test"] vlan
    #[ignore = "needs vrf links: scripts/vm-test"] vrf
}
