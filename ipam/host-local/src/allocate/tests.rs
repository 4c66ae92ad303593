use std::cell::RefCell;

use serde_json::{Value, json};

use super::*;
use crate::{lease::Leases, plan::Plan};

fn plan(ipam: &Value, args: &str) -> Plan {
    let conf = cni::json::decode(&json!({ "ipam": ipam })).unwrap();
    let network = cni::Network {
        name: "net".into(),
        version: cni::Version::V1_0_0,
        conf,
        ipam: None,
        gateway_priority: None,
        prev_result: None,
    };
    Plan::new(&network, args, &crate::auto::Subnets::default()).unwrap()
}

fn attachment(id: &str, ifname: &str) -> Attachment {
    Attachment { container_id: id.into(), ifname: ifname.into() }
}

fn leases(list: &[(&str, Owner)]) -> Leases {
    list.iter().map(|(ip, owner)| (ip.parse().unwrap(), owner.clone())).collect()
}

fn owned(id: &str) -> Owner {
    Owner::Attachment(attachment(id, "eth0"))
}

fn chosen(plan: &Plan, leases: &Leases) -> Result<Vec<String>> {
    let choices = choose("net", &plan.sets, &attachment("c1", "eth0"), leases, |_| None)?;
    Ok(choices.into_iter().map(|choice| choice.config.address.to_string()).collect())
}

fn v4() -> Value {
    json!({"subnet": "10.0.0.0/29"})
}

#[test]
fn one_address_comes_from_each_set_with_its_gateway() {
    let plan =
        plan(&json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "fd00::/64", "gateway": "fd00::99"}]]}), "");
    let asked = RefCell::new(Vec::new());
    let choices = choose("net", &plan.sets, &attachment("c1", "eth0"), &Leases::default(), |set| {
        asked.borrow_mut().push(set);
        None
    })
    .unwrap();
    assert_eq!(*asked.borrow(), [0, 1]);
    assert_eq!(choices[0].config.address.to_string(), "10.0.0.2/24");
    assert_eq!(choices[1].config.address.to_string(), "fd00::1/64");
    assert_eq!(choices[1].config.gateway, Some("fd00::99".parse().unwrap()));
    assert!(choices.iter().all(|choice| choice.config.interface.is_none()));
}

#[test]
fn each_set_goes_round_for_itself() {
    let plan = plan(&json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.1.0/24"}]]}), "");
    let last = |set| if set == 1 { "10.0.1.9".parse().ok() } else { None };
    let choices = choose("net", &plan.sets, &attachment("c1", "eth0"), &Leases::default(), last).unwrap();
    assert_eq!(choices.iter().map(|choice| choice.ip.to_string()).collect::<Vec<_>>(), ["10.0.0.2", "10.0.1.10"]);
}

#[test]
fn exhaustion_tells_network_ranges_and_numbers() {
    let plan = plan(&json!({"subnet": "10.0.0.0/29", "exclude": ["10.0.0.6"]}), "");
    let full = leases(&[
        ("10.0.0.2", owned("a")),
        ("10.0.0.3", Owner::Container("b".into())),
        ("10.0.0.4", Owner::Stranger),
        ("10.0.0.5", owned("c")),
        ("10.0.1.5", owned("elsewhere")),
    ]);
    let error = chosen(&plan, &full).unwrap_err();
    assert_eq!(error.code, Code::Exhausted);
    assert_eq!(
        error.msg,
        "allocate address of network \"net\" from range set 0 [10.0.0.1-10.0.0.6]: no free address, 4 in use, 1 excluded"
    );
    assert_eq!(error.details, "no IP addresses available in range set: 10.0.0.1-10.0.0.6");
}

#[test]
fn leases_of_nobody_are_free() {
    let list = [("10.0.0.2", Owner::Nobody), ("10.0.0.3", owned("a"))];
    assert_eq!(chosen(&plan(&v4(), ""), &leases(&list)).unwrap(), ["10.0.0.2/29"]);
    assert_eq!(chosen(&plan(&v4(), "IP=10.0.0.2"), &leases(&list)).unwrap(), ["10.0.0.2/29"]);
}

#[test]
fn second_address_for_an_attachment_is_refused() {
    let list = leases(&[("10.0.0.5", owned("c1"))]);
    let error = chosen(&plan(&v4(), ""), &list).unwrap_err();
    assert_eq!(error.code, Code::InUse);
    assert_eq!(error.details, "10.0.0.5 has been allocated to c1, duplicate allocation is not allowed");
    assert!(error.msg.ends_with("container c1 has 10.0.0.5 already, interface eth0 gets no second one"), "{error}");
    let requested = chosen(&plan(&v4(), "IP=10.0.0.3"), &list).unwrap_err();
    assert_eq!(requested.code, Code::InUse);
}

#[test]
fn old_lease_counts_for_every_interface_unless_an_address_is_requested() {
    let list = leases(&[("10.0.0.5", Owner::Container("c1".into()))]);
    assert_eq!(chosen(&plan(&v4(), ""), &list).unwrap_err().code, Code::InUse);
    assert_eq!(chosen(&plan(&v4(), "IP=10.0.0.3"), &list).unwrap(), ["10.0.0.3/29"]);
}

#[test]
fn leases_outside_of_the_set_do_not_count() {
    let list = leases(&[("10.0.9.5", owned("c1")), ("fd00::5", owned("c1"))]);
    assert_eq!(chosen(&plan(&v4(), ""), &list).unwrap(), ["10.0.0.2/29"]);
}

#[test]
fn requested_address_is_given_or_refused_with_its_owner() {
    assert_eq!(chosen(&plan(&v4(), "IP=10.0.0.5"), &Leases::default()).unwrap(), ["10.0.0.5/29"]);
    for (owner, whose) in [
        (owned("c2"), "container c2 has it on eth0"),
        (Owner::Container("c2".into()), "container c2 has it"),
        (Owner::Stranger, "it is taken"),
    ] {
        let error = chosen(&plan(&v4(), "IP=10.0.0.5"), &leases(&[("10.0.0.5", owner)])).unwrap_err();
        assert_eq!(error.code, Code::InUse);
        assert!(error.msg.ends_with(&format!("requested address 10.0.0.5 is not available: {whose}")), "{error}");
        assert_eq!(error.details, "requested IP address 10.0.0.5 is not available in range set 10.0.0.1-10.0.0.6");
    }
}
