//! A node with as many containers as a bridge has ports, or nearly, all by `nf_tables`.

use crate::network::{Backends, Network};
use crate::state::{demand_elements, demand_packets, demand_whole};
use crate::workers::work;
use std::env;
use testkit::{Sandbox, assert_same};

/// A bridge has 1,023 ports (`BR_MAX_PORTS`, `net/bridge/br_private.h`). `CROWD` in the environment takes fewer, for a hurry.
const CONTAINERS: usize = 1000;
const WORKERS: usize = 64;
/// How many go while others come again, and how many of them are not told to go: GC finds these.
const GOING: usize = 200;
const FORGOTTEN: usize = 8;
/// While so many come and go, there is a GC.
const BETWEEN_GCS: usize = 100;

#[test]
fn a_thousand_come_at_once_and_go_while_others_come() {
    let crowd = env::var("CROWD").map_or(CONTAINERS, |number| number.parse().unwrap());
    let network = Network::new(Sandbox::enter(), crowd, |_| Backends::all("nftables"));
    let before = network.snapshot();
    let members = &network.members;
    let (forgotten, rest) = (0..FORGOTTEN, FORGOTTEN..crowd);
    let everyone: Vec<usize> = (0..crowd).collect();

    work(WORKERS, crowd, |number| members[number].attach());
    demand_whole(&network, &everyone);
    demand_elements(&network, &everyone);
    (0..crowd).step_by(crowd / 8).for_each(|number| demand_packets(&network, number));

    // A container that comes is as valid as one that goes: a runtime lists all that it has not been told to end.
    let valid: Vec<(&str, &str)> = rest.clone().map(|number| (members[number].netns.name(), "eth0")).collect();
    work(WORKERS, GOING, |job| {
        if job % BETWEEN_GCS == BETWEEN_GCS / 2 {
            members[0].gc(&valid);
        }
        let member = &members[rest.start + job];
        member.detach();
        member.attach();
    });
    let kept: Vec<usize> = rest.clone().collect();
    demand_whole(&network, &kept);
    demand_elements(&network, &kept);
    rest.clone().step_by(crowd / 8).for_each(|number| demand_packets(&network, number));
    members[rest.start].check();

    work(WORKERS, kept.len(), |job| members[kept[job]].detach());
    assert_same(&before, &network.snapshot());
    forgotten.for_each(|number| members[number].detach());
}
