//! Where a case happens: a private host, the plugin under test, containers to attach.
#![allow(clippy::panic, reason = "what the machine lacks is reported by panics, as the testkit does")]

use crate::case::Stop;
use crate::demand::Demands;
use crate::host_links;
use crate::host_program::{self, HostProgram};
use crate::neighbour;
use crate::profile::{Places, fill};
use crate::stub::Stub;
use crate::subject::{Kind, Subject};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::path::PathBuf;
use testkit::{Attachment, Plugin, Sandbox, Snapshot, TestNs};

/// The name of the network of all attachments.
pub const NETWORK: &str = "conformance";

/// A host of its own for one case.
#[derive(Debug)]
pub struct Stage {
    /// The host.
    pub sandbox: Sandbox,
    /// The plugin under test.
    pub subject: Subject,
    /// How many containers there are.
    containers: Cell<u64>,
    /// The links that it has for one container each.
    own_links: RefCell<Vec<String>>,
    /// How many interfaces have been made for containers.
    ports: Cell<u64>,
    /// What runs on the host, until the stage goes.
    program: Option<HostProgram>,
}

/// A container, and the attachment of its `eth0` by the plugin under test.
#[derive(Debug)]
pub struct Container {
    /// Its network namespace; its name is the container ID.
    pub ns: TestNs,
    /// The calls for it, with a configuration that works: `container.at.add()`. Made by [`Stage::container`] for the
    /// newest version; a chained plugin's has a `prevResult` that is true.
    pub at: Attachment,
}

/// What the stage has to be able to do for a case. Where it cannot, the plugin is not to blame, nor is the case of no
/// concern to it: the case could not be carried out.
#[track_caller]
pub fn arranged<T>(what: &str, done: io::Result<T>) -> T {
    done.unwrap_or_else(|e| panic!("the stage cannot be set: {what}: {e}"))
}

impl Stage {
    /// Moves the calling thread to a new stage.
    pub fn enter(subject: Subject) -> Self {
        let sandbox = Sandbox::enter();
        let mut stage = Self {
            sandbox,
            subject,
            containers: Cell::new(0),
            own_links: RefCell::default(),
            ports: Cell::new(0),
            program: None,
        };
        for dir in [stage.dir(), stage.stub_dir()] {
            arranged("a directory", fs::create_dir(&dir));
        }
        let links = stage.host_links();
        if !links.is_empty() {
            host_links::prepare(&stage.sandbox);
        }
        let shared = links.iter().filter(|name| !host_links::is_own(name)).map(String::as_str);
        host_links::make(&stage.sandbox, shared);
        stage.make_own_links(1..=host_links::READY);
        stage.program = stage.host_program();
        stage
    }

    /// Where plugins keep state: `{dir}` in configurations.
    pub fn dir(&self) -> PathBuf {
        self.sandbox.dir().join("state")
    }

    /// The directory of stub plugins, for `CNI_PATH`.
    pub fn stub_dir(&self) -> PathBuf {
        self.sandbox.dir().join("stubs")
    }

    /// The newest version that the plugin and the suite know.
    pub fn version(&self) -> &'static str {
        self.subject.newest()
    }

    /// The links that the plugin wants on the host, with placeholders.
    fn host_links(&self) -> Vec<String> {
        self.subject.config.as_ref().map(host_links::named).unwrap_or_default()
    }

    /// Makes the links of the containers of these numbers.
    fn make_own_links(&self, numbers: impl IntoIterator<Item = u64>) {
        let links = self.host_links();
        let own = || links.iter().filter(|name| host_links::is_own(name));
        let names: Vec<String> =
            numbers.into_iter().flat_map(|number| own().map(move |name| filled(name, number))).collect();
        if !names.is_empty() {
            host_links::make(&self.sandbox, names.iter().map(String::as_str));
            self.own_links.borrow_mut().extend(names);
        }
    }

    /// Makes those links of containers anew that have gone with one.
    pub fn replace_links(&self) {
        let links = self.own_links.borrow();
        if !links.is_empty() {
            host_links::replace(&self.sandbox, links.iter().map(String::as_str));
        }
    }

    /// Starts what the plugin wants to run on the host.
    fn host_program(&self) -> Option<HostProgram> {
        let script =
            host_program::script(self.subject.config.as_ref()?)?.replace("{dir}", &self.dir().display().to_string());
        Some(arranged("hostProgram", HostProgram::start(&script, &self.subject.dir)))
    }

    /// The bridge that containers have an interface on before they are attached.
    pub fn container_bridge(&self) -> Option<&str> {
        host_program::bridge(self.subject.config.as_ref()?)
    }

    /// Whether the host gets something for each container before that is attached.
    pub fn is_furnished(&self) -> bool {
        self.subject.facts.kind == Some(Kind::Chained) || self.container_bridge().is_some() || self.lends_links()
    }

    /// Whether each container takes a link of the host, which goes with it.
    pub fn lends_links(&self) -> bool {
        self.host_links().iter().any(|name| host_links::is_own(name))
    }

    /// Skips the case for plugins that do not list this version.
    pub fn lists(&self, version: &str) -> Result<(), Stop> {
        if self.subject.lists(version) { Ok(()) } else { Err(Stop::skip(format!("does not list version {version}"))) }
    }

    /// How many containers there have been.
    pub fn count(&self) -> u64 {
        self.containers.get()
    }

    /// Skips the case for plugins whose newest version is before this one.
    pub fn since(&self, version: &str) -> Result<(), Stop> {
        if self.version() >= version {
            return Ok(());
        }
        Err(Stop::skip(format!("needs version {version}, which the plugin does not list")))
    }

    /// Skips the case for plugins whose configuration does not declare this capability.
    pub fn declares(&self, capability: &str) -> Result<(), Stop> {
        let declared = self.subject.config.as_ref().is_some_and(|config| config["capabilities"][capability] == true);
        if declared { Ok(()) } else { Err(Stop::skip(format!("does not declare the capability {capability}"))) }
    }

    /// The plugin with `CNI_PATH` set and no other variable, and with an empty stdin.
    pub fn plugin(&self) -> Plugin {
        Plugin::new(self.subject.dir.join(&self.subject.name))
    }

    /// A call with everything that the command needs and no more, for a container that is there; for the cases that change
    /// one thing in it. Its configuration is the one that works, if there is one.
    pub fn call(&self, command: &str) -> Plugin {
        self.container("call").at.call(command)
    }

    /// A new container and its attachment in the newest version.
    pub fn container(&self, id: &str) -> Container {
        self.container_at(id, self.version())
    }

    /// A new container and its attachment in this version.
    pub fn container_at(&self, id: &str, version: &str) -> Container {
        let ns = self.sandbox.netns(id);
        let at = self.attachment(&ns, "eth0", version);
        Container { ns, at }
    }

    /// The attachment of a second interface of a container, in the newest version.
    pub fn second(&self, container: &Container, ifname: &str) -> Attachment {
        self.attachment(&container.ns, ifname, self.version())
    }

    /// The same attachment with another interface of the container.
    pub fn another(&self, container: &Container, ifname: &str) -> Attachment {
        self.connect(&container.ns, ifname);
        container.at.clone().ifname(ifname)
    }

    /// Gives a container the interface that the plugin works on, if it wants one.
    fn connect(&self, ns: &TestNs, ifname: &str) {
        if let Some(bridge) = self.container_bridge() {
            self.ports.set(self.ports.get() + 1);
            host_program::connect(&self.sandbox, bridge, ns, ifname, self.ports.get());
        }
    }

    /// A stub plugin that records its calls, in [`stub_dir`](Self::stub_dir).
    pub fn stub(&self, name: &str) -> Stub {
        Stub::install(&self.sandbox, &self.stub_dir(), name)
    }

    /// What the host holds, leases and other state in the usual directories included, without what is a mere hint, and
    /// without the settings of the neighbour's links. They go with these, so that the reference's portmap rightly leaves its
    /// `route_localnet` there. Our own plugins take them back, which the crash sweep sees to.
    pub fn snapshot(&self) -> Snapshot {
        self.replace_links();
        let dir = self.dir();
        self.sandbox.snapshot(&[&dir, "/var/lib/cni".as_ref()]).without(&[
            "last_reserved_ip",
            ".index: ",
            "conf/nbr",
            &format!("conf/{}", host_program::PORT),
            &format!("link {}", host_program::PORT),
        ])
    }

    /// A snapshot after a container has come and gone: what is made once and stays (a bridge, tables) is there.
    pub fn warm_snapshot(&self) -> Result<Snapshot, Stop> {
        let first = self.container("warm-up");
        first.at.add().result()?;
        first.at.del().silence()?;
        Ok(self.snapshot())
    }

    fn attachment(&self, ns: &TestNs, ifname: &str, version: &str) -> Attachment {
        let places = self.places(ns);
        if places.number > host_links::READY {
            self.make_own_links([places.number]);
        }
        self.connect(ns, ifname);
        let prev = self.prev().map(|prev| neighbour::renamed(prev, ifname));
        if let Some(prev) = &prev {
            neighbour::realize(&fill(prev, &places), &self.sandbox, ns);
        }
        let conf = self.conf(&places, prev.as_ref(), version);
        Attachment::new(conf, ns).ifname(ifname).bin_dir(&self.subject.dir)
    }

    /// The result that the plugin is to be given, with placeholders; None if it needs none.
    fn prev(&self) -> Option<Value> {
        let given = self.subject.config.as_ref().and_then(|config| config.get("prevResult").cloned());
        given.or_else(|| (self.subject.facts.kind == Some(Kind::Chained)).then(neighbour::standard))
    }

    fn places(&self, ns: &TestNs) -> Places {
        self.containers.set(self.containers.get() + 1);
        Places {
            dir: self.dir().display().to_string(),
            netns: ns.path().display().to_string(),
            number: self.containers.get(),
        }
    }

    fn conf(&self, places: &Places, prev: Option<&Value>, version: &str) -> Value {
        let mut conf = json!({ "cniVersion": version, "name": NETWORK, "type": self.subject.name });
        let own = self.subject.config.as_ref().map(|config| fill(config, places));
        for (key, value) in own.iter().filter_map(Value::as_object).flatten() {
            let is_the_suites = key == host_links::KEY || host_program::KEYS.contains(&key.as_str());
            if !is_the_suites && !["cniVersion", "name", "prevResult"].contains(&key.as_str()) {
                conf[key] = value.clone();
            }
        }
        if let Some(prev) = prev {
            conf["prevResult"] = neighbour::result(prev, places, version);
        }
        conf
    }
}

/// The name of a link for the container of this number.
fn filled(name: &str, number: u64) -> String {
    Places { dir: String::new(), netns: String::new(), number }.fill(name)
}
