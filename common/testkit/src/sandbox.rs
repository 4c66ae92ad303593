//! A private host for one test: network and mounts of the calling thread.

use crate::facility::{Facility, require};
use crate::namespace::{Ran, TestNs};
use crate::probe::eventually;
use crate::snapshot::Snapshot;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use std::fs;
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::time::Duration;

/// Where containers' namespaces are bound: where `ip netns` looks for them too.
const NETNS_DIR: &str = "/run/netns";

/// The directory of a test's own files, on the sandbox's tmpfs.
const STATE_DIR: &str = "/run/sandbox";

/// A sysctl that the kernel registers for its first network namespace alone (`net_core_table` in
/// `net/core/sysctl_net_core.c`), readable by everybody.
const ONLY_IN_INITIAL_NETNS: &str = "/proc/sys/net/core/netdev_max_backlog";

/// What decides which packets are let through, below `/proc/sys/net/ipv4`.
const INHERITED: [&str; 5] = [
    "ip_forward",
    "conf/all/rp_filter",
    "conf/default/rp_filter",
    "conf/all/route_localnet",
    "conf/default/route_localnet",
];

/// A host that belongs to one test: an empty network and mounts of its own, for the calling thread, the threads it starts
/// and the processes they start.
///
/// `/run` is a fresh tmpfs; what is written below `/var/lib` stays in the sandbox; `/sys` shows the sandbox's links (where
/// the kernel allows it). `lo` is up; IPv4 forwarding, reverse path filters and `route_localnet`
/// are off, whatever they are on the machine. The rest of the file system is the machine's: keep files in [`dir`](Self::dir).
///
/// Nothing has to be cleaned up: all of it ends with the thread. The calling thread does not come back, which is why a sandbox
/// is for the thread of one test and cannot be sent to another.
#[derive(Debug)]
pub struct Sandbox {
    host: TestNs,
    dir: PathBuf,
    /// Not `Send` (another thread is on another host), but `Sync`: threads that borrow it were started inside.
    on_this_thread: PhantomData<MutexGuard<'static, ()>>,
}

/// How [`Sandbox::outside_via`] connects an outside host: an IPv4 and an IPv6 address with prefix length at either end.
#[derive(Clone, Debug)]
pub struct Uplink<'a> {
    /// The host's link.
    pub link: &'a str,
    /// The host's addresses.
    pub host: [&'a str; 2],
    /// The addresses outside; the link there is `eth0`.
    pub outside: [&'a str; 2],
}

impl Default for Uplink<'_> {
    /// `uplink0`, 203.0.113.1/24 and `2001:db8:ffff::1/64` here, .2 and `::2` outside.
    fn default() -> Self {
        Self {
            link: "uplink0",
            host: ["203.0.113.1/24", "2001:db8:ffff::1/64"],
            outside: ["203.0.113.2/24", "2001:db8:ffff::2/64"],
        }
    }
}

impl Sandbox {
    /// Moves the calling thread into a sandbox of its own.
    ///
    /// # Panics
    ///
    /// In the machine's own network, and where namespaces cannot be made: run tests through `scripts/test`.
    #[track_caller]
    pub fn enter() -> Self {
        refuse_the_machines_network();
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap_or_else(|e| {
            panic!("unshare network and mounts: {e}; run tests through scripts/test (unshare -rnm)")
        });
        mount_private_trees();
        for dir in [NETNS_DIR, STATE_DIR] {
            fs::create_dir(dir).unwrap_or_else(|e| panic!("create {dir}: {e}"));
        }
        forget_inherited_settings();
        let host = TestNs::bind(Path::new(NETNS_DIR), "host");
        host.sh("ip link set lo up");
        Self { host, dir: PathBuf::from(STATE_DIR), on_this_thread: PhantomData }
    }

    /// The host's own namespace: where plugins run.
    pub fn host(&self) -> &TestNs {
        &self.host
    }

    /// A directory for this test's files: lease directories, caches.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new, empty namespace (`lo` is down), bound at `/run/netns/NAME`: a container.
    #[track_caller]
    pub fn netns(&self, name: &str) -> TestNs {
        TestNs::create(Path::new(NETNS_DIR), name)
    }

    /// A host outside, connected and routed both ways with [`Uplink::default`].
    #[track_caller]
    pub fn outside(&self, name: &str) -> TestNs {
        self.outside_via(name, &Uplink::default())
    }

    /// A host outside, connected by `uplink`. Its default routes lead here, and the host's lead there unless it has some.
    #[track_caller]
    pub fn outside_via(&self, name: &str, uplink: &Uplink<'_>) -> TestNs {
        let outside = self.netns(name);
        let Uplink { link, host: here, outside: there } = uplink;
        self.sh(&format!("ip link add {link} type veth peer name eth0 netns {name}; ip link set {link} up"));
        outside.sh("ip link set lo up; ip link set eth0 up");
        add_addresses(&self.host, link, here);
        add_addresses(&outside, "eth0", there);
        for (version, here, there) in [(4, here[0], there[0]), (6, here[1], there[1])] {
            let [here, there] = [here, there].map(|cidr| cidr.split('/').next().unwrap_or(cidr));
            outside.sh(&format!("ip -{version} route add default via {here} dev eth0"));
            self.sh(&format!(
                "ip -{version} route show default | grep -q . || ip -{version} route add default via {there} dev {link}"
            ));
        }
        outside
    }

    /// [`TestNs::sh`] on the host.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.host.sh(script)
    }

    /// [`TestNs::try_sh`] on the host.
    #[track_caller]
    pub fn try_sh(&self, script: &str) -> Ran {
        self.host.try_sh(script)
    }

    /// [`TestNs::json`] on the host.
    #[track_caller]
    pub fn json(&self, script: &str) -> Value {
        self.host.json(script)
    }

    /// Makes `iptables` and its relatives the legacy variant, for everything that this test starts. False where there is none.
    ///
    /// Debian's names all lead to one of two programs, which look at the name that they were started by.
    #[must_use]
    pub fn use_legacy_iptables(&self) -> bool {
        require(Facility::Program("xtables-legacy-multi"))
            && self.try_sh("mount --bind /usr/sbin/xtables-legacy-multi /usr/sbin/xtables-nft-multi").status.success()
    }

    /// What the kernel holds on the host, and the files below `dirs`.
    #[track_caller]
    pub fn snapshot(&self, dirs: &[&Path]) -> Snapshot {
        Snapshot::take(&self.host, dirs)
    }
}

/// Panics before anything could touch the machine's own network.
///
/// Two signs, since neither is enough: in a container the first process lives in another network than the kernel's first one,
/// and from a user namespace the first process's cannot be read.
#[track_caller]
fn refuse_the_machines_network() {
    let same_as_init = netns_id("/proc/self/ns/net").is_some_and(|own| netns_id("/proc/1/ns/net") == Some(own));
    assert!(
        !same_as_init && !Path::new(ONLY_IN_INITIAL_NETNS).exists(),
        "this is the machine's own network: run tests through scripts/test, or with `unshare -rnm`"
    );
}

fn netns_id(path: &str) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|netns| (netns.dev(), netns.ino()))
}

/// Gives the thread's new mount namespace its own `/run`, `/var/lib` and `/sys`.
#[track_caller]
fn mount_private_trees() {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .unwrap_or_else(|e| panic!("make mounts private: {e}"));
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=0755"))
        .unwrap_or_else(|e| panic!("mount a tmpfs on /run: {e}"));
    shelter_state_directories();
    // A convenience that the kernel may refuse to a user namespace.
    let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none);
}

/// Keeps what is written below `/var/lib` off the machine's disk.
#[track_caller]
fn shelter_state_directories() {
    let [upper, work] = ["upper", "work"].map(|part| format!("/run/var-lib/{part}"));
    for dir in [&upper, &work] {
        fs::create_dir_all(dir).unwrap_or_else(|e| panic!("create {dir}: {e}"));
    }
    let layers = format!("lowerdir=/var/lib,upperdir={upper},workdir={work}");
    mount(Some("overlay"), "/var/lib", Some("overlay"), MsFlags::empty(), Some(layers.as_str()))
        // Older kernels have no overlays in user namespaces: then it is empty.
        .or_else(|_| mount(Some("tmpfs"), "/var/lib", Some("tmpfs"), MsFlags::empty(), Some("mode=0755")))
        .unwrap_or_else(|e| panic!("mount over /var/lib: {e}"));
}

/// A new network namespace starts with the IPv4 settings of the machine, which may route, or filter by reverse path.
#[track_caller]
fn forget_inherited_settings() {
    // Forwarding first: the kernel resets others along with it.
    for sysctl in INHERITED {
        let path = format!("/proc/sys/net/ipv4/{sysctl}");
        fs::write(&path, "0").unwrap_or_else(|e| panic!("write 0 to {path}: {e}"));
    }
}

/// Adds addresses that can be used at once.
#[track_caller]
fn add_addresses(ns: &TestNs, link: &str, addresses: &[&str; 2]) {
    let [v4, v6] = addresses;
    ns.sh(&format!("ip addr add {v4} dev {link}; ip addr add {v6} dev {link} nodad"));
    // Without a carrier, which a new link gets a moment later, even an address without DAD stays tentative.
    eventually(Duration::from_secs(5), || match ns.sh(&format!("ip -6 addr show dev {link} scope global tentative")) {
        text if text.is_empty() => Ok(()),
        text => Err(text),
    });
}
