//! Batches against the kernel, through the programs that this host has.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::cell::Cell;
use std::thread;

use iptables::{Batch, Iptables, Rule, Saved};
use testkit::{Sandbox, TestNs};

const FAMILIES: [Iptables; 2] = Iptables::ALL;

fn accept() -> Rule {
    Rule::new(["-p", "tcp", "--dport", "80", "-j", "ACCEPT"]).comment("name: \"n\\1\" id: \"c 1\"")
}

fn chain(name: &str) -> Batch {
    let mut batch = Batch::new("nat");
    batch.create_chain(name);
    batch.append(name, &accept());
    batch.insert("PREROUTING", &Rule::new(["-m", "addrtype", "--dst-type", "LOCAL", "-j", name]));
    batch
}

fn comments(saved: &Saved, chain: &str) -> Vec<String> {
    saved.rules(chain).filter_map(Rule::text).map(str::to_owned).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let _sandbox = Sandbox::enter();
    for family in FAMILIES {
        family.restore(&chain("CNI-T")).unwrap();
        let nat = family.save("nat").unwrap();
        assert!(nat.leads("PREROUTING", "CNI-T"), "{nat:?}");
        assert_eq!(comments(&nat, "CNI-T"), ["name: \"n\\1\" id: \"c 1\""]);
        assert_eq!(nat.policy("POSTROUTING"), Some("ACCEPT"));
    }
}

#[test]
fn rule_that_was_read_can_be_deleted() {
    let sandbox = Sandbox::enter();
    let before = sandbox.sh("iptables-save -t nat; iptables -t nat -S");
    let before = before.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
    Iptables::V4.restore(&chain("CNI-T")).unwrap();
    let nat = Iptables::V4.save("nat").unwrap();
    let mut batch = Batch::new("nat");
    nat.rules("PREROUTING").for_each(|rule| batch.delete("PREROUTING", rule));
    nat.rules("CNI-T").for_each(|rule| batch.delete("CNI-T", rule));
    batch.delete_chain("CNI-T");
    Iptables::V4.restore(&batch).unwrap();
    let after = sandbox.sh("iptables-save -t nat; iptables -t nat -S");
    assert_eq!(before, after.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>());
}

#[test]
fn failing_batch_applies_nothing_and_names_its_line() {
    let _sandbox = Sandbox::enter();
    for family in FAMILIES {
        let mut batch = chain("CNI-T");
        batch.delete("OUTPUT", &accept());
        let error = family.restore(&batch).unwrap_err();
        let program = format!("run {}-restore of table \"nat\"", family.name());
        assert_eq!(error.doing, program);
        assert!(error.details.contains("-D OUTPUT -p tcp"), "{error:?}");
        assert!(!family.save("nat").unwrap().has_chain("CNI-T"));
    }
}

#[test]
fn rule_that_is_required_has_to_be_there() {
    let _sandbox = Sandbox::enter();
    for family in FAMILIES {
        family.restore(&chain("CNI-T")).unwrap();
        let mut there = Batch::new("nat");
        there.require("CNI-T", &accept());
        family.restore(&there).unwrap();
        there.require("CNI-T", &Rule::new(["-j", "RETURN"]));
        assert!(family.restore(&there).is_err());
    }
}

#[test]
fn chain_is_renewed() {
    let _sandbox = Sandbox::enter();
    for family in FAMILIES {
        family.restore(&chain("CNI-T")).unwrap();
        let mut batch = Batch::new("nat");
        batch.renew_chain("CNI-T");
        batch.append("CNI-T", &Rule::new(["-j", "RETURN"]));
        batch.renew_chain("CNI-U");
        family.restore(&batch).unwrap();
        let nat = family.save("nat").unwrap();
        assert_eq!(nat.rules("CNI-T").map(Rule::target).collect::<Vec<_>>(), [Some("RETURN")]);
        assert!(nat.has_chain("CNI-U") && nat.leads("PREROUTING", "CNI-T"));
    }
}

#[test]
fn batch_is_made_anew_when_somebody_was_faster() {
    let _sandbox = Sandbox::enter();
    let tries = Cell::new(0);
    let plan = |nat: &Saved| {
        tries.set(tries.get() + 1);
        if nat.has_chain("CNI-T") {
            return Batch::new("nat");
        }
        // Somebody else, after the reading.
        Iptables::V4.restore(&chain("CNI-T")).unwrap();
        chain("CNI-T")
    };
    Iptables::V4.change("nat", plan).unwrap();
    assert_eq!(tries.get(), 2);
    assert_eq!(Iptables::V4.save("nat").unwrap().rules("CNI-T").count(), 1);
}

#[test]
fn batch_that_is_wrong_by_itself_is_tried_once() {
    let _sandbox = Sandbox::enter();
    let tries = Cell::new(0);
    let wrong = |_: &Saved| {
        tries.set(tries.get() + 1);
        let mut batch = Batch::new("nat");
        batch.append("NO-SUCH-CHAIN", &accept());
        batch
    };
    assert!(Iptables::V4.change("nat", wrong).is_err());
    assert_eq!(tries.get(), 1);
}

#[test]
fn many_at_once_all_get_their_chains_and_the_next_leaves_one_jump() {
    let sandbox = Sandbox::enter();
    let add = |own: &str| {
        let plan = |nat: &Saved| {
            let mut batch = Batch::new("nat");
            if !nat.has_chain("CNI-SHARED") {
                batch.create_chain("CNI-SHARED");
                batch.append("PREROUTING", &Rule::new(["-j", "CNI-SHARED"]));
            }
            // On nf_tables two may create the chain in the same moment.
            batch.delete_duplicates("PREROUTING", nat.jumps("PREROUTING", "CNI-SHARED"));
            batch.renew_chain(own);
            batch.append("CNI-SHARED", &Rule::new(["-j", own]));
            batch
        };
        Iptables::V4.change("nat", plan)
    };
    let in_sandbox = |ns: &TestNs, own: String| ns.run(|| add(&own));
    let names: Vec<_> = (0..8).map(|n| format!("CNI-{n}")).collect();
    let done: Vec<_> = thread::scope(|scope| {
        let host = sandbox.host();
        let workers: Vec<_> = names.iter().map(|own| scope.spawn(move || in_sandbox(host, own.clone()))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    add("CNI-8").unwrap();
    let nat = Iptables::V4.save("nat").unwrap();
    assert_eq!(nat.rules("PREROUTING").count(), 1);
    assert!(names.iter().all(|own| nat.has_chain(own) && nat.leads("CNI-SHARED", own)), "{nat:?}");
}
