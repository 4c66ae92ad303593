//! Chains by `nf_tables`, by iptables' programs, and by both, at the same time on one bridge.

use crate::network::{Backends, Network};
use crate::state::{demand_packets, demand_whole};
use crate::workers::work;
use testkit::{Facility, Sandbox, assert_same, require};

/// Each call by iptables starts programs, which wait for each other.
const CONTAINERS: usize = 48;
const WORKERS: usize = 16;

const NFTABLES: Backends = Backends::all("nftables");
const IPTABLES: Backends = Backends::all("iptables");
const MIXED: Backends = Backends { masquerade: "nftables", portmap: "iptables", firewall: "nftables" };

#[test]
fn backends_do_not_disturb_each_other() {
    if !require(Facility::Program("iptables-restore")) {
        return;
    }
    come_and_go(Sandbox::enter(), |number| [NFTABLES, IPTABLES, MIXED][number % 3]);
}

#[test]
fn legacy_programs_wait_for_each_other() {
    let sandbox = Sandbox::enter();
    if sandbox.use_legacy_iptables() {
        come_and_go(sandbox, |_| IPTABLES);
    }
}

fn come_and_go(sandbox: Sandbox, backends: impl Fn(usize) -> Backends) {
    let network = Network::new(sandbox, CONTAINERS, backends);
    let before = network.snapshot();
    let members = &network.members;
    let everyone: Vec<usize> = (0..CONTAINERS).collect();
    work(WORKERS, CONTAINERS, |number| members[number].attach());
    demand_whole(&network, &everyone);
    work(WORKERS, CONTAINERS, |number| members[number].check());
    (0..6).for_each(|number| demand_packets(&network, number));

    work(WORKERS, CONTAINERS / 2, |number| {
        members[number].detach();
        members[number].attach();
    });
    demand_whole(&network, &everyone);
    work(WORKERS, CONTAINERS, |number| members[number].check());

    work(WORKERS, CONTAINERS, |number| members[number].detach());
    assert_same(&before, &network.snapshot());
}
