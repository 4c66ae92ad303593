//! A stub in the place of the delegate, that hands out what a case wants.

use crate::case::Stop;
use crate::stage::{Container, Stage};
use crate::stub::Answer;
use crate::subject::Kind;
use serde_json::{Value, json};
use std::path::PathBuf;
use testkit::{Attachment, Output, Plugin, TestNs};

/// The CNI type of the stub.
const TYPE: &str = "lessor";

/// A container whose addresses come from a stub.
#[derive(Debug)]
pub struct Leased {
    /// The container's network namespace.
    pub ns: TestNs,
    /// The attachment; make its calls by [`call`](Self::call), which finds the stub.
    pub at: Attachment,
    path: Vec<PathBuf>,
}

/// A new container of a plugin that creates interfaces, in this version. Its configuration has no `dns`, and the stub
/// answers ADD with `lease`.
pub fn container(stage: &Stage, id: &str, version: &str, lease: impl Into<Answer>) -> Result<Leased, Stop> {
    if stage.subject.facts.kind != Some(Kind::Interface) {
        return Err(Stop::skip("for plugins that create an interface and have a delegate"));
    }
    stage.stub(TYPE).answer("ADD", lease);
    let Container { ns, at } = stage.container_at(id, version);
    let mut conf = at.conf().clone();
    if let Some(keys) = conf.as_object_mut() {
        keys.retain(|key, _| key != "dns");
    }
    conf["ipam"] = json!({ "type": TYPE });
    let at = Attachment::new(conf, &ns).bin_dir(&stage.subject.dir);
    Ok(Leased { ns, at, path: vec![stage.stub_dir(), stage.subject.dir.clone()] })
}

/// A lease in the layout of 1.1.0: two addresses with gateways, default routes, a name server.
pub fn lease() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "ips": [
            { "address": "10.203.0.5/24", "gateway": "10.203.0.1" },
            { "address": "fd00:cb::5/64", "gateway": "fd00:cb::1" }
        ],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "198.51.100.0/24", "gw": "10.203.0.7" }, { "dst": "::/0" }],
        "dns": { "nameservers": ["10.203.0.1", "10.203.0.53"], "domain": "lease.test", "search": ["b.test", "a.test"] }
    })
}

impl Leased {
    /// A call with the stub in `CNI_PATH`.
    pub fn call(&self, command: &str) -> Plugin {
        self.at.call(command).path(&self.path)
    }

    /// ADD.
    pub fn add(&self) -> Output {
        self.call("ADD").run()
    }

    /// The same with one key of the configuration set.
    pub fn with_key(self, key: &str, value: Value) -> Self {
        Self { at: self.at.with_key(key, value), ..self }
    }
}
