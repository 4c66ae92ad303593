//! The plugins that no other scenario has, each alone: those that make an interface with host-local, those that change one behind `ptp`.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Sandbox, TestNs};

use crate::{
    call::timed,
    host::{containers, on_own_host},
    series::{Series, Topic},
    setup::{Contender, Setup},
};

static KINDS: Topic = Topic {
    name: "plugins",
    title: "each of the other plugins alone; those that make an interface with host-local, those that change one behind ptp",
    parameter: None,
    charted: &[],
};

/// Plugins make their links on one end of a pair, and containers get the ends of others.
const HOST: &str = "ip link add parent0 type veth peer name outside0; ip link set parent0 up; ip link set outside0 up";

/// A plugin and what is measured of it.
struct Kind {
    name: &'static str,
    /// The kind of link that the kernel has to know, for `ip link add`.
    link: Option<&'static str>,
    /// Its own keys, for the container of this number.
    keys: fn(u32) -> Value,
    /// Whether it makes the interface or changes one that is there.
    chained: bool,
}

const fn interface(name: &'static str, keys: fn(u32) -> Value) -> Kind {
    Kind { name, link: Some(name), keys, chained: false }
}

const fn chained(name: &'static str, link: Option<&'static str>, keys: fn(u32) -> Value) -> Kind {
    Kind { name, link, keys, chained: true }
}

const ALL: [Kind; 9] = [
    interface("macvlan", |_| json!({"master": "parent0"})),
    interface("ipvlan", |_| json!({"master": "parent0"})),
    interface("vlan", |number| json!({"master": "parent0", "vlanId": 100 + number})),
    interface("dummy", |_| json!({})),
    Kind { link: None, ..interface("tap", |_| json!({})) },
    Kind { link: None, ..interface("host-device", |number| json!({"device": format!("dev{number}")})) },
    chained(
        "bandwidth",
        Some("ifb"),
        |_| json!({"ingressRate": 1_000_000_000, "ingressBurst": 8_000_000, "egressRate": 1_000_000_000, "egressBurst": 8_000_000}),
    ),
    chained("sbr", None, |_| json!({})),
    chained("vrf", Some("vrf table 1"), |_| json!({"vrfname": "blue"})),
];

/// Measures all contenders that have a plugin in turn, as often as there are rounds. What the kernel cannot do is left out.
pub fn measure(setup: &Setup) -> Vec<Series> {
    let mut measured = Vec::new();
    for kind in ALL.iter().filter(|kind| kind.link.is_none_or(is_known)) {
        let have: Vec<&Contender> = setup.contenders.iter().filter(|one| one.dir.join(kind.name).exists()).collect();
        let mut series: Vec<[Series; 2]> = have.iter().map(|one| kind.series(&one.name)).collect();
        for _ in 0..setup.rounds {
            for (one, series) in have.iter().zip(&mut series) {
                on_own_host(|sandbox| kind.measure(sandbox, &one.dir, setup.containers.div_ceil(4), series));
            }
        }
        measured.extend(series.into_iter().flatten());
    }
    measured
}

fn is_known(link: &str) -> bool {
    Facility::Link(link).is_there()
}

impl Kind {
    fn series(&self, contender: &str) -> [Series; 2] {
        ["ADD", "DEL"].map(|call| Series::new(&KINDS, contender, &format!("{} {call}", self.name)))
    }

    fn measure(&self, sandbox: &Sandbox, dir: &Path, number: u32, [add, del]: &mut [Series; 2]) {
        sandbox.sh(HOST);
        if self.name == "host-device" {
            sandbox.sh(&format!("for i in $(seq 0 {number}); do ip link add dev$i type veth peer name peer$i; done"));
        }
        for (at, netns) in (0..).zip(containers(sandbox, 0..number)) {
            let own = self.attachment(sandbox, dir, at, &netns);
            let told = add.record(0, timed(&own.call("ADD"))).and_then(|printed| serde_json::from_slice(&printed).ok());
            let own = told.map_or_else(|| own.clone(), |told: Value| own.with_prev(&told));
            del.record(0, timed(&own.call("DEL")));
        }
    }

    /// What is measured. What it is chained behind is there already, and stays.
    fn attachment(&self, sandbox: &Sandbox, dir: &Path, number: u32, netns: &TestNs) -> Attachment {
        let leases = sandbox.dir().join("leases").to_string_lossy().into_owned();
        let ipam = json!({"type": "host-local", "dataDir": leases, "subnet": "10.88.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]});
        let mut conf = json!({"cniVersion": "1.0.0", "name": "bench", "type": "ptp", "ipam": ipam});
        if self.chained {
            let before = Attachment::new(conf.clone(), netns).bin_dir(dir).add().success();
            conf["prevResult"] = before;
            conf["ipam"] = Value::Null;
        }
        conf["type"] = self.name.into();
        for (key, value) in (self.keys)(number).as_object().into_iter().flatten() {
            conf[key] = value.clone();
        }
        Attachment::new(conf, netns).bin_dir(dir)
    }
}
