//! Plugins in a row, as a runtime calls those of a network configuration list.

use crate::attachment::Attachment;
use crate::namespace::TestNs;
use crate::output::Output;
use serde_json::Value;

/// The plugins of one list for one attachment: ADD and CHECK in order, DEL in reverse, `prevResult` handed on.
///
/// It is no runtime: `runtimeConfig` belongs into the plugin's own configuration, and nothing is cached.
#[derive(Clone, Debug)]
#[must_use]
pub struct Chain {
    plugins: Vec<Attachment>,
}

impl Chain {
    /// From a list `{cniVersion, name, plugins: [...]}`. Each plugin gets the list's `cniVersion` and `name`.
    #[track_caller]
    pub fn new(list: &Value, netns: &TestNs) -> Self {
        let plugins = list["plugins"].as_array().unwrap_or_else(|| panic!("a list without plugins: {list}"));
        let attach = |conf: &Value| {
            let attachment = Attachment::new(conf.clone(), netns);
            attachment.with_key("cniVersion", list["cniVersion"].clone()).with_key("name", list["name"].clone())
        };
        Self { plugins: plugins.iter().map(attach).collect() }
    }

    /// Changes every plugin's attachment alike: `chain.each(|a| a.ifname("net1"))`.
    pub fn each(self, change: impl FnMut(Attachment) -> Attachment) -> Self {
        Self { plugins: self.plugins.into_iter().map(change).collect() }
    }

    /// The plugins' attachments, in order.
    pub fn plugins(&self) -> &[Attachment] {
        &self.plugins
    }

    /// Calls ADD of all; the last result.
    #[track_caller]
    pub fn add(&self) -> Value {
        self.try_add().unwrap_or_else(|failed| panic!("{failed}"))
    }

    /// The same, up to the first that fails; that one's outcome.
    #[track_caller]
    pub fn try_add(&self) -> Result<Value, Box<Output>> {
        let mut prev: Option<Value> = None;
        for plugin in &self.plugins {
            let output = after(plugin, prev.as_ref()).add();
            if !output.status.success() {
                return Err(Box::new(output));
            }
            prev = Some(output.success());
        }
        Ok(prev.unwrap_or_else(|| panic!("a list of no plugins")))
    }

    /// Calls CHECK of all, each with the last result of ADD; all must succeed.
    #[track_caller]
    pub fn check(&self, result: &Value) {
        self.plugins.iter().for_each(|plugin| plugin.with_prev(result).check().silent());
    }

    /// Calls DEL of all in reverse order, with or without the last result of ADD; all must succeed.
    #[track_caller]
    pub fn del(&self, result: Option<&Value>) {
        self.try_del(result).iter().for_each(Output::silent);
    }

    /// The same, all of them even when one fails: their outcomes in the order of the calls.
    #[track_caller]
    pub fn try_del(&self, result: Option<&Value>) -> Vec<Output> {
        self.plugins.iter().rev().map(|plugin| after(plugin, result).del()).collect()
    }

    /// Calls GC of all; all must succeed.
    #[track_caller]
    pub fn gc(&self, valid: &[(&str, &str)]) {
        self.plugins.iter().for_each(|plugin| plugin.gc(valid).silent());
    }

    /// Calls STATUS of all; all must succeed.
    #[track_caller]
    pub fn status(&self) {
        self.plugins.iter().for_each(|plugin| plugin.status().silent());
    }
}

fn after(plugin: &Attachment, prev: Option<&Value>) -> Attachment {
    prev.map_or_else(|| plugin.clone(), |result| plugin.with_prev(result))
}
