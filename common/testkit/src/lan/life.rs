//! What has to hold for every plugin whose link is in the container alone.

use super::{Attached, Lan};
use crate::attachment::Attachment;
use crate::kills::Kills;
use crate::namespace::TestNs;
use crate::snapshot::{Snapshot, assert_same};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Longer than any packet takes on a busy machine.
const LONG: Duration = Duration::from_secs(5);

impl Lan {
    /// ADD fails with `code`, and neither host nor container differ from before, nor after its DEL; what it said.
    #[track_caller]
    pub fn fails_without_a_trace(&self, container: &TestNs, attachment: &Attachment, code: u64) -> String {
        let before = [self.snapshot(), container.snapshot()];
        let error = attachment.add().failure_code(code);
        let unchanged = || {
            assert_same(&before[0], &self.snapshot());
            assert_same(&before[1], &container.snapshot());
        };
        unchanged();
        // That of a delegate which is missing fails, too.
        let _ = attachment.del();
        unchanged();
        error["msg"].as_str().unwrap_or_default().to_owned()
    }

    /// The result, in whatever version, tells the interface and the addresses that the container has.
    #[track_caller]
    pub fn tells_what_there_is(&self, conf: &Value, name: &str) -> (TestNs, Attached) {
        let (container, attached) = self.attach(conf, name);
        let result = &attached.result;
        let (version, addresses) =
            (conf["cniVersion"].as_str().unwrap_or_default(), json!(container.addresses("eth0")));
        assert_eq!(result["cniVersion"], version);
        if version < "0.3.0" {
            assert_eq!(json!([result["ip4"]["ip"], result["ip6"]["ip"]]), addresses);
            return (container, attached);
        }
        let of = |key| -> Value { result["ips"].as_array().into_iter().flatten().map(|ip| ip[key].clone()).collect() };
        assert_eq!((of("address"), of("interface")), (addresses, json!([0, 0])));
        let link = container.link("eth0");
        let mut interface = json!({ "name": "eth0", "mac": link["address"], "sandbox": container.path() });
        if version >= "1.1.0" {
            interface["mtu"] = link["mtu"].clone();
        }
        assert_eq!(result["interfaces"], json!([interface]));
        (container, attached)
    }

    /// An attachment of `c1` that has a lease and no link: that could not be made, or has gone with what it was on.
    #[track_caller]
    pub fn leased(&self, conf: &Value) -> Attachment {
        let attachment = Attachment::new(conf.clone(), &self.sandbox.netns("c1"));
        attachment.with_key("type", "host-local".into()).add().success();
        assert!(self.leases().join("net/10.1.0.2").exists());
        attachment
    }

    /// DEL with this `CNI_NETNS` gives the lease back, and can come again.
    #[track_caller]
    pub fn gives_lease_back(&self, attachment: &Attachment, netns: &str) {
        for _ in 0..2 {
            attachment.clone().netns(netns).del().silent();
            assert!(!self.leases().join("net/10.1.0.2").exists());
        }
    }

    /// Whatever DEL is not told, everything has gone behind it; also if keys of the configuration are others than those of ADD,
    /// as each of `changed` has them.
    #[track_caller]
    pub fn goes_with_every_del(&self, conf: &Value, changed: &[Value]) {
        let before = self.warmed_up(conf);
        let no_prev = |attached: &Attached| attached.attachment.clone();
        self.goes(conf, &before, |attached| vec![attached.attachment.with_prev(&attached.result)]);
        self.goes(conf, &before, |attached| vec![no_prev(attached), no_prev(attached)]);
        for junk in [json!("junk"), json!({ "cniVersion": "7.7.7" }), json!({ "ips": 3 }), json!([]), json!({})] {
            self.goes(conf, &before, |attached| vec![attached.attachment.with_prev(&junk)]);
        }
        for keys in changed {
            let keys = || keys.as_object().into_iter().flatten();
            self.goes(conf, &before, |attached| {
                vec![keys().fold(no_prev(attached), |at, (key, value)| at.with_key(key, value.clone()))]
            });
        }
        // Without the namespace there is only the lease to be released. The link goes with the namespace.
        for netns in ["", "/run/netns/never-was", "/run", "/proc/self/ns/uts", "/run/netns/host"] {
            let (container, attached) = self.attach(conf, "lost");
            attached.attachment.clone().netns(netns).del().silent();
            assert_same(&before, &self.snapshot());
            container.remove();
        }
        let (container, attached) = self.attach(conf, "gone");
        container.remove();
        attached.del();
        let (_container, attached) = self.attach(conf, "unmounted");
        self.sandbox.sh("umount -l /run/netns/unmounted");
        attached.del();
        assert_same(&before, &self.snapshot());
    }

    /// The host after a container has come and gone.
    #[track_caller]
    fn warmed_up(&self, conf: &Value) -> Snapshot {
        let (container, attached) = self.attach(conf, "warm-up");
        attached.del();
        container.remove();
        self.snapshot()
    }

    /// A container and the host are as before after these DELs.
    #[track_caller]
    fn goes(&self, conf: &Value, before: &Snapshot, dels: impl FnOnce(&Attached) -> Vec<Attachment>) {
        let container = self.sandbox.netns("c1");
        let inside = container.snapshot();
        let attached = Attached::new(Attachment::new(conf.clone(), &container));
        for attachment in dels(&attached) {
            attachment.del().silent();
        }
        assert_same(before, &self.snapshot());
        // IPv6 of `lo` is turned on for the container's addresses, and its routes come with it.
        let new = inside.diff(&container.snapshot());
        assert!(new.lines().all(|line| line.contains(" lo")), "{new}");
        container.remove();
    }

    /// What the ADD of the plugins in one directory has made, CHECK and DEL of those in another find and remove.
    #[track_caller]
    pub fn is_handed_over(&self, conf: &Value, from: &Path, to: &Path) {
        let before = self.warmed_up(conf);
        for with_prev in [true, false] {
            let container = self.sandbox.netns("c1");
            let made = Attached::new(Attachment::new(conf.clone(), &container).bin_dir(from));
            let taken = Attached { attachment: made.attachment.bin_dir(to), result: made.result };
            taken.check().silent();
            if with_prev {
                taken.del();
            } else {
                taken.attachment.del().silent();
            }
            assert_same(&before, &self.snapshot());
            assert!(!container.try_sh("ip link show eth0").status.success(), "the link is there still");
            container.remove();
        }
    }

    /// ADD and DEL are killed at every `step`th of these system calls; DEL leaves no link of `kind` and no lease.
    #[track_caller]
    pub fn survives_kills(&self, conf: &Value, kind: &str, calls: &[&str], step: usize) {
        let container = self.sandbox.netns("c1");
        let attachment = Attachment::new(conf.clone(), &container);
        let leases = format!("find {} -name '10.*' -o -name 'fd*'", self.leases().display());
        for command in ["ADD", "DEL"] {
            let prepare = || {
                if command == "DEL" {
                    attachment.add().success();
                }
            };
            let verify = |when: &str| {
                attachment.del().silent();
                assert_eq!(self.sandbox.sh(&leases), "", "{command} {when}");
                assert_eq!(container.sh(&format!("ip link show type {kind}")), "", "{command} {when}");
            };
            let kills = Kills { calls, step, dir: self.sandbox.dir() };
            let killed = kills.sweep(|| attachment.call(command), prepare, verify);
            assert!(killed.kills > 0, "{killed:?}");
        }
        attachment.add().success();
    }

    /// Packets of the first connection come through, in both directions, as soon as ADD has returned.
    #[track_caller]
    pub fn is_usable_at_once(&self, conf: &Value) {
        let outside = self.outside.listen_tcp("[fd01::1]:80");
        for n in 0..5 {
            let container = self.sandbox.netns(&format!("c{n}"));
            // Also where the container asks for detection of duplicates on every interface.
            container.sh("echo 1 > /proc/sys/net/ipv6/conf/all/accept_dad");
            let attached = Attached::new(Attachment::new(conf.clone(), &container));
            assert_eq!(container.sh("ip -6 addr show dev eth0 scope global tentative"), "");
            let web = container.listen_tcp(format!("[{}]:80", attached.ip(1)));
            let asked = self.outside.connect_tcp(web.address(), LONG);
            assert_eq!(asked.unwrap_or_else(|e| panic!("from outside: {e}")).server, container.name());
            let asked = container.connect_tcp(outside.address(), LONG);
            let peer = asked.unwrap_or_else(|e| panic!("from inside: {e}")).peer;
            assert_eq!(peer.ip().to_string(), attached.ip(1));
        }
    }

    /// An ADD that fails behind the delegate, at a route that the kernel refuses, leaves nothing.
    #[track_caller]
    pub fn gives_everything_back(&self, conf: &Value, container: &TestNs) {
        let mut conf = conf.clone();
        conf["ipam"] = json!({ "type": "static", "addresses": [{ "address": "10.1.0.9/24" }],
            "routes": [{ "dst": "10.9.0.0/16", "gw": "172.16.0.1" }] });
        let msg = self.fails_without_a_trace(container, &Attachment::new(conf, container), 100);
        assert!(msg.starts_with("add route to 10.9.0.0/16 via 172.16.0.1: "), "{msg}");
    }
}
