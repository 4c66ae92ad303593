//! Several interfaces of one container, and many containers at once.

use std::thread;

use serde_json::json;
use testkit::{Attachment, assert_same};

use crate::stage::{Attached, OUTSIDE, Stage, lines};

#[test]
fn default_route_of_the_lower_interface_is_used_until_it_goes() {
    let stage = Stage::new();
    let outside = stage.outside();
    let c1 = stage.sandbox.netns("c1");
    let other = json!({ "name": "other", "ipMasq": true, "ipam": stage.ipam(["10.2.0.0/24", "fd02::/64"]) });
    // The higher comes first.
    let two = Attached::new(Attachment::new(stage.network(other), &c1).ifname("eth1"));
    let one = Attached::new(Attachment::new(stage.masquerading(), &c1));
    assert_eq!(
        lines(&c1, "route show default"),
        ["default via 10.1.0.1 dev eth0", "default via 10.2.0.1 dev eth1 metric 1"]
    );
    assert_eq!(two.result["routes"][0]["priority"], 1);
    assert_eq!(two.result["routes"][1]["priority"], 1025);
    for address in ["10.1.0.1", "10.2.0.1", "fd01::1", "fd02::1", OUTSIDE[0], OUTSIDE[1]] {
        c1.ping(address).unwrap();
    }
    for attached in [&one, &two] {
        attached.check().silent();
    }
    one.del();
    two.check().silent();
    drop(outside);
    for address in ["10.2.0.1", "fd02::1", OUTSIDE[0], OUTSIDE[1]] {
        c1.ping(address).unwrap();
    }
    two.del();
    assert_eq!(stage.ends(), [""; 0]);
}

#[test]
fn two_interfaces_of_one_network_have_their_own_routes() {
    let stage = Stage::new();
    let conf = stage.masquerading();
    let before = stage.warm_snapshot(&conf);
    let c1 = stage.sandbox.netns("c1");
    let eth0 = Attached::new(Attachment::new(conf.clone(), &c1));
    let eth1 = Attached::new(Attachment::new(conf.clone(), &c1).ifname("eth1"));
    for attached in [&eth0, &eth1] {
        attached.check().silent();
        stage.host().ping(attached.ip(0)).unwrap();
    }
    let (c2, _) = stage.attach(&conf, "c2");
    eth1.del();
    eth0.check().silent();
    c2.ping(eth0.ip(1)).unwrap();
    eth0.attachment.gc(&[]).silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    let stage = Stage::new();
    let conf = stage.masquerading();
    let before = stage.warm_snapshot(&conf);
    let containers: Vec<_> = (0..12).map(|n| stage.sandbox.netns(&format!("c{n}"))).collect();
    let each = |task: &(dyn Fn(Attachment) + Sync)| {
        thread::scope(|scope| {
            for container in &containers {
                scope.spawn(|| stage.host().run(|| task(Attachment::new(conf.clone(), container))));
            }
        });
    };
    each(&|attachment| {
        attachment.add().success();
    });
    for (from, to) in containers.iter().zip(containers.iter().skip(1)) {
        let to = to.sh("ip -6 -o addr show eth0 scope global | grep -o 'fd01::[0-9a-f]*'");
        from.ping(to.trim()).unwrap();
    }
    each(&|attachment| attachment.del().silent());
    assert_same(&before, &stage.snapshot());
}
