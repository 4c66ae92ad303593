//! A host with an uplink, and what every runtime reads from a result.

use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use testkit::{Chain, Sandbox, Snapshot, TestNs};

/// Longer than any packet takes on a busy machine.
const LONG: Duration = Duration::from_secs(5);
/// How long to wait for a packet that must not arrive.
const SHORT: Duration = Duration::from_millis(300);

/// A private host: 203.0.113.1, the host outside is .2.
pub struct Stage {
    pub sandbox: Sandbox,
    pub outside: TestNs,
}

impl Stage {
    pub fn new() -> Self {
        let sandbox = Sandbox::enter();
        let outside = sandbox.outside("outside");
        Self { sandbox, outside }
    }

    /// The host, and the files that plugins keep where no configuration says otherwise.
    pub fn snapshot(&self) -> Snapshot {
        let dirs = ["/var/lib/cni", "/run/cni", "/run/mooring"].map(Path::new);
        let there: Vec<_> = dirs.into_iter().filter(|dir| dir.is_dir()).collect();
        self.sandbox.snapshot(&there).without(&["last_reserved_ip", ".index: ", "dir "])
    }

    /// A container of this network comes and goes, which leaves bridges and empty chains.
    #[track_caller]
    pub fn warm_up(&self, list: &Value) {
        let netns = self.sandbox.netns("warm-up");
        let chain = Chain::new(list, &netns);
        let result = chain.add();
        chain.del(Some(&result));
        netns.remove();
    }

    /// Whether `web` answers the host outside at port 8080 of this one, on TCP.
    pub fn publishes(&self, web: &TestNs, limit: Limit) -> bool {
        let server = web.listen_tcp("[::]:80");
        let limit = if limit == Limit::Arrives { LONG } else { SHORT };
        let reply = self.outside.connect_tcp("203.0.113.1:8080", limit);
        drop(server);
        reply.is_ok_and(|reply| reply.server == web.name())
    }
}

/// What is expected of a packet, and so how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Arrives,
    IsLost,
}

/// Demands what runtimes stumble over: the container's interface once, in the sandbox, with a MAC; an interface for each address.
#[track_caller]
pub fn readable(result: &Value, netns: &TestNs, ifname: &str) {
    let interfaces = result["interfaces"].as_array().unwrap();
    let own: Vec<_> = interfaces.iter().filter(|interface| interface["name"] == ifname).collect();
    assert_eq!(own.len(), 1, "{result:#}");
    assert_eq!(own[0]["sandbox"], netns.path().to_str().unwrap(), "{result:#}");
    assert!(own[0]["mac"].as_str().is_some_and(|mac| mac.len() == 17), "{result:#}");
    for ip in result["ips"].as_array().unwrap() {
        let index = usize::try_from(ip["interface"].as_u64().unwrap()).unwrap();
        assert_eq!(interfaces[index]["name"], ifname, "{result:#}");
        assert!(ip["address"].as_str().unwrap().contains('/'), "{result:#}");
    }
}
