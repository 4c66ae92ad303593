//! DEL: whatever it is not told, it removes what is the attachment's, and nothing else.

use serde_json::json;
use testkit::{Attached, Attachment};

use crate::stage::{eth0, host, network};

#[test]
fn everything_goes_whatever_del_is_not_told() {
    let Some(lan) = host() else { return };
    lan.goes_with_every_del(
        &network(&lan, json!({ "owner": 0, "multiQueue": true })),
        &[
            json!({ "mtu": -1, "bridge": "a/b", "owner": -1, "mac": "x" }),
            json!({ "selinuxContext": "a b", "bridge": "gone0", "cniVersion": "0.3.1" }),
        ],
    );
}

#[test]
fn cni_args_do_not_matter() {
    let Some(lan) = host() else { return };
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    attached.attachment.args("K=V").del().silent();
    assert_eq!(c1.links(), [""; 0]);
}

#[test]
fn tap_that_the_container_has_renamed_goes() {
    let Some(lan) = host() else { return };
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    c1.sh("ip link set eth0 down; ip link set eth0 name wan0; ip link add eth0 type bridge");
    attached.del();
    assert_eq!(c1.links(), ["eth0"]);
}

#[test]
fn other_interfaces_and_containers_stay() {
    let Some(lan) = host() else { return };
    let conf = network(&lan, json!({}));
    let [(c1, one), (_c2, two)] = ["c1", "c2"].map(|name| lan.attach(&conf, name));
    Attached::new(Attachment::new(conf, &c1).ifname("eth1")).del();
    // Our ADD has failed, and its DEL follows.
    let other = eth0(&lan, &c1, json!({ "name": "other" }));
    other.add().failure_code(101);
    other.del().silent();
    one.check().silent();
    two.check().silent();
}

/// As those of the reference plugin, which have no tag, and whose hardware address tuning may have changed.
#[test]
fn tap_that_another_has_made_goes_unless_its_alias_says_otherwise() {
    let Some(lan) = host() else { return };
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    let replace = |settings: &str| {
        c1.sh(&format!("ip link del eth0; ip tuntap add dev eth0 mode tap; ip link set eth0 {settings}"));
    };
    replace("alias somebody");
    attached.del();
    assert_eq!(c1.links(), ["eth0"]);
    replace("address 02:00:00:00:00:77");
    attached.del();
    assert_eq!(c1.links(), [""; 0]);
}

#[test]
fn tun_of_the_container_stays() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    c1.sh("ip tuntap add dev tun0 mode tun");
    eth0(&lan, &c1, json!({})).ifname("tun0").del().silent();
    assert_eq!(c1.links(), ["tun0"]);
}
