//! GC: what is not valid goes, with the daemon and without.

use std::fs;

use serde_json::json;
use testkit::Attachment;

use crate::stage::Stage;

#[test]
fn gc_releases_what_is_not_valid() {
    for with_daemon in [true, false] {
        let Some(stage) = Stage::new() else { return };
        let _server = stage.dnsmasq(&[]);
        let daemon = stage.daemon();
        let containers = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
        let [one, two] = containers.each_ref().map(|container| Attachment::new(stage.network(json!({})), container));
        let second = one.clone().ifname("net1");
        let other = two.clone().ifname("net1").with_key("name", "other".into());
        for attachment in [&one, &two, &second, &other] {
            attachment.add().success();
        }
        let (_bare, broken) = stage.bare("c3");
        broken.add().success();
        let running = if with_daemon {
            Some(daemon)
        } else {
            daemon.kill();
            None
        };
        let gc = one.with_key("type", "dhcp".into());
        gc.gc(&[("c1", "eth0"), ("c2", "eth0"), ("c3", "eth0")]).silent();
        assert_eq!(stage.records().len(), 4);
        stage.await_given(4);
        gc.gc(&[("c1", "eth0")]).silent();
        assert_eq!(stage.records().len(), 2);
        stage.await_given(2);
        gc.gc(&[]).silent();
        assert_eq!(stage.records().len(), 1);
        stage.await_given(1);

        // A record that cannot be read tells by its name whose it is.
        let path = &stage.records()[0];
        fs::write(path, "junk").unwrap();
        gc.gc(&[]).silent();
        assert_eq!(stage.records().len(), 1);
        if !with_daemon {
            gc.with_key("name", "other".into()).gc(&[]).silent();
            assert!(stage.records().is_empty());
        }
        drop(running);
    }
}

#[test]
fn gc_without_anything_succeeds() {
    let Some(stage) = Stage::new() else { return };
    let gc = Attachment::new(stage.network(json!({})), &stage.server).with_key("type", "dhcp".into());
    gc.gc(&[]).silent();
    let _daemon = stage.daemon();
    gc.gc(&[]).silent();
}
