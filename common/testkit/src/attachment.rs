//! The calls of one attachment: one configuration, one container, one interface.

use crate::namespace::TestNs;
use crate::output::Output;
use crate::plugin::Plugin;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One plugin's configuration and the container interface it is for. Each method below makes one call.
#[derive(Clone, Debug)]
#[must_use]
pub struct Attachment {
    conf: Value,
    container: String,
    ifname: String,
    netns: OsString,
    args: Option<String>,
    bin_dir: PathBuf,
}

impl Attachment {
    /// Attaches `eth0` of the container named like `netns`, by the plugin that `conf` names as its `type`.
    pub fn new(conf: Value, netns: &TestNs) -> Self {
        Self {
            conf,
            container: netns.name().to_owned(),
            ifname: "eth0".to_owned(),
            netns: netns.path().into(),
            args: None,
            bin_dir: Plugin::bin_dir(),
        }
    }

    /// Another container ID.
    pub fn container(mut self, id: &str) -> Self {
        id.clone_into(&mut self.container);
        self
    }

    /// Another interface.
    pub fn ifname(mut self, name: &str) -> Self {
        name.clone_into(&mut self.ifname);
        self
    }

    /// Another `CNI_NETNS`, e.g. `""`.
    pub fn netns(mut self, path: impl Into<OsString>) -> Self {
        self.netns = path.into();
        self
    }

    /// Sets `CNI_ARGS`.
    pub fn args(mut self, args: &str) -> Self {
        self.args = Some(args.to_owned());
        self
    }

    /// Takes the plugin and its delegates from another directory, e.g. those of another project.
    pub fn bin_dir(mut self, dir: impl AsRef<Path>) -> Self {
        dir.as_ref().clone_into(&mut self.bin_dir);
        self
    }

    /// The same attachment after an ADD that gave `result`: the configuration carries it as `prevResult`.
    pub fn with_prev(&self, result: &Value) -> Self {
        self.with_key("prevResult", result.clone())
    }

    /// The same attachment with one key of the configuration set.
    pub fn with_key(&self, key: &str, value: Value) -> Self {
        let mut changed = self.clone();
        changed.conf[key] = value;
        changed
    }

    /// The configuration.
    pub fn conf(&self) -> &Value {
        &self.conf
    }

    /// Calls ADD.
    #[track_caller]
    pub fn add(&self) -> Output {
        self.call("ADD").run()
    }

    /// Calls CHECK.
    #[track_caller]
    pub fn check(&self) -> Output {
        self.call("CHECK").run()
    }

    /// Calls DEL.
    #[track_caller]
    pub fn del(&self) -> Output {
        self.call("DEL").run()
    }

    /// Calls GC, for the network: only these attachments, pairs of container ID and interface, are valid.
    #[track_caller]
    pub fn gc(&self, valid: &[(&str, &str)]) -> Output {
        let valid: Vec<_> = valid.iter().map(|(id, ifname)| json!({ "containerID": id, "ifname": ifname })).collect();
        self.with_key("cni.dev/valid-attachments", valid.into()).call("GC").run()
    }

    /// Calls STATUS, for the network.
    #[track_caller]
    pub fn status(&self) -> Output {
        self.call("STATUS").run()
    }

    /// A call to be changed before it is run. GC, STATUS and VERSION name no container.
    #[track_caller]
    pub fn call(&self, command: &str) -> Plugin {
        let name =
            self.conf["type"].as_str().unwrap_or_else(|| panic!("a configuration without a type: {}", self.conf));
        let plugin = Plugin::new(self.bin_dir.join(name)).command(command).stdin(&self.conf);
        if ["GC", "STATUS", "VERSION"].contains(&command) {
            return plugin;
        }
        let plugin = plugin.container(&self.container).netns(&self.netns).ifname(&self.ifname);
        self.args.iter().fold(plugin, |plugin, args| plugin.args(args))
    }
}
