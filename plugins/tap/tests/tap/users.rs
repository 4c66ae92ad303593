//! Who may open a tap, where there are several users.

use serde_json::json;
use testkit::{Attached, TestNs};

use crate::{
    guest::{Access, Guest, reaches},
    stage::{eth0, host},
};

/// Opens `eth0` of the container as a user of these groups, without capabilities; what came of it.
fn opened_by(container: &TestNs, device: &str, user: u32, group: u32) -> String {
    let wrapper = format!("setpriv --reuid {user} --regid {group} --clear-groups --inh-caps=-all");
    let access = Access { device, wrapper: &wrapper, queues: 1 };
    let (_guest, outcomes) = Guest::try_open(container, "eth0", "10.1.0.9", access);
    if outcomes == ["opened"] {
        reaches(container, "10.1.0.9");
    }
    outcomes[0].clone()
}

/// In a user namespace of cargo's runner there is only the user 0.
#[test]
#[ignore = "needs several users: scripts/vm-test"]
fn owner_and_members_of_the_group_have_it_and_nobody_else() {
    let Some(lan) = host() else { return };
    let device = lan.sandbox.dir().join("tun").display().to_string();
    lan.sandbox.sh(&format!("mknod {device} c 10 200; chmod 666 {device}; chmod 755 /run /run/sandbox"));
    for (number, (keys, allowed)) in [
        (json!({ "owner": 1000 }), [true, true, false, false]),
        (json!({ "group": 2000 }), [true, false, true, false]),
        (json!({ "owner": 1000, "group": 2000 }), [true, false, false, false]),
        (json!({}), [true; 4]),
    ]
    .into_iter()
    .enumerate()
    {
        let container = lan.sandbox.netns(&format!("c{number}"));
        Attached::new(eth0(&lan, &container, keys.clone())).check().silent();
        let users = [(1000, 2000), (1000, 2001), (1001, 2000), (1001, 2001)];
        let outcomes = users.map(|(user, group)| opened_by(&container, &device, user, group));
        let expected = allowed.map(|allowed| if allowed { "opened" } else { "EPERM" });
        assert_eq!(outcomes, expected, "{keys}");
    }
}
