//! The plugin under test with a stub as its delegate: a case sees what the delegate is told and says what it answers.

use crate::case::{Needs, Stop, Verdict};
use crate::demand::{Demands, demand};
use crate::layout;
use crate::stage::{Container, Stage};
use crate::stub::{Answer, Recorded, Stub};
use serde_json::{Value, json};
use std::cell::Cell;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use testkit::{Attachment, Output, Plugin, Snapshot, TestNs};

/// The CNI type of the stub.
pub const TYPE: &str = "recorder";

/// A stage on which addresses come from a stub.
#[derive(Debug)]
pub struct Recorder<'a> {
    stage: &'a Stage,
    /// The stub.
    pub stub: Stub,
    /// How many containers there are.
    containers: Cell<u8>,
}

/// A container, and its attachment with the stub as delegate.
#[derive(Debug)]
pub struct Delegated {
    /// The container's network namespace; its name is the container ID.
    pub ns: TestNs,
    /// The attachment; make its calls by [`call`](Self::call), which finds the stub.
    pub at: Attachment,
    /// What the stub answers to [`add`](Self::add), in the version of the configuration.
    pub lease: Value,
    stub: Stub,
    path: Vec<PathBuf>,
}

impl<'a> Recorder<'a> {
    /// With no call so far.
    pub fn new(stage: &'a Stage) -> Self {
        Self { stage, stub: stage.stub(TYPE), containers: Cell::new(0) }
    }

    /// A new container, in the newest version.
    pub fn container(&self, id: &str) -> Delegated {
        self.container_at(id, self.stage.version())
    }

    /// A new container, in this version.
    pub fn container_at(&self, id: &str, version: &str) -> Delegated {
        let number = self.containers.get() + 1;
        self.containers.set(number);
        let Container { ns, at } = self.stage.container_at(id, version);
        let at = at.with_key("ipam", json!({ "type": TYPE, "conformance": number }));
        let path = vec![self.stage.stub_dir(), self.stage.subject.dir.clone()];
        Delegated { ns, at, lease: layout::convert(&lease(number), version), stub: self.stub.clone(), path }
    }

    /// A snapshot after a container with an address of the stub's has come and gone; see [`Stage::warm_snapshot`].
    pub fn warm_snapshot(&self) -> Result<Snapshot, Stop> {
        let first = self.container("warm-up");
        first.add().result()?;
        first.call("DEL").run().silence()?;
        self.stub.forget();
        Ok(self.stage.snapshot())
    }

    /// Where the command makes sense: behind an ADD with its result, unless it is ADD or STATUS. The stub has forgotten
    /// that ADD, and answers another one as that.
    pub fn scene(&self, command: &str) -> Result<Delegated, Stop> {
        let scene = self.container("scene");
        scene.answer(scene.lease.clone());
        let at = match command {
            "CHECK" | "DEL" => scene.at.with_prev(&scene.add().result()?),
            "GC" => {
                scene.add().result()?;
                let valid = json!([{ "containerID": "scene", "ifname": "eth0" }]);
                scene.at.with_key("cni.dev/valid-attachments", valid)
            }
            _ => scene.at.clone(),
        };
        self.stub.forget();
        Ok(Delegated { at, ..scene })
    }

    /// Skips the case for plugins that create no interface.
    pub fn creates_interface(&self) -> Verdict {
        self.stage.subject.lacks(Needs::Interface).map_or(Ok(()), |reason| Err(Stop::skip(reason)))
    }

    /// Demands that the delegate has been run once since it forgot, for this command.
    pub fn ran_once(&self, command: &str) -> Result<Recorded, Stop> {
        let mut calls = self.stub.calls();
        let commands: Vec<_> = calls.iter().map(|call| call.command.as_str()).collect();
        let expected = format!("a plugin that runs its delegate once, with {command}");
        demand(commands == [command], &expected, format!("calls of the delegate: {commands:?}"))?;
        calls.pop().ok_or_else(|| Stop::skip("no call"))
    }

    /// Demands that the delegate was run for this command, whatever else.
    pub fn ran(&self, command: &str) -> Verdict {
        let commands = self.stub.commands();
        let expected = format!("a plugin that runs {command} of its delegate");
        demand(commands.iter().any(|other| other == command), &expected, format!("calls of the delegate: {commands:?}"))
    }

    /// Demands that the delegate holds nothing: it was not run at all, or DEL was its last call.
    pub fn holds_nothing(&self) -> Verdict {
        let commands = self.stub.commands();
        let held = commands.last().is_some_and(|last| last != "DEL");
        let expected = "a plugin that runs DEL of its delegate when its ADD fails behind that of the delegate";
        demand(!held, expected, format!("calls of the delegate: {commands:?}"))
    }
}

impl Delegated {
    /// A call with the stub in `CNI_PATH`.
    pub fn call(&self, command: &str) -> Plugin {
        self.at.call(command).path(&self.path)
    }

    /// ADD with the stub handing out [`lease`](Self::lease).
    pub fn add(&self) -> Output {
        self.answer(self.lease.clone());
        self.call("ADD").run()
    }

    /// Has the stub answer ADD so from now on.
    pub fn answer(&self, answer: impl Into<Answer>) {
        self.stub.answer("ADD", answer);
    }

    /// Makes the call with the delegate held in it, and looks around meanwhile; None when the delegate was not run.
    pub fn during<T>(&self, command: &str, look: impl FnOnce() -> T) -> (Output, Option<T>) {
        let stdout = if command == "ADD" { self.lease.to_string() } else { String::new() };
        self.stub.answer(command, Answer { stdout, held: true, ..Answer::default() });
        let plugin = self.call(command);
        thread::scope(|scope| {
            let call = scope.spawn(|| plugin.run());
            while !call.is_finished() && !self.stub.commands().iter().any(|other| other == command) {
                thread::sleep(Duration::from_millis(5));
            }
            let seen = (!call.is_finished()).then(look);
            self.stub.release();
            (call.join().unwrap_or_else(|panic| resume_unwind(panic)), seen)
        })
    }

    /// The container's interface as `ip -j addr` has it; None if it is not there.
    pub fn interface(&self) -> Option<Value> {
        let links = self.ns.json("ip -j addr");
        links.as_array()?.iter().find(|link| link["ifname"] == "eth0").cloned()
    }
}

/// One address, with a gateway and a default route, in the layout of 1.1.0.
fn lease(number: u8) -> Value {
    json!({
        "ips": [{ "address": format!("10.203.0.{}/16", u16::from(number) + 1), "gateway": "10.203.0.1" }],
        "routes": [{ "dst": "0.0.0.0/0" }]
    })
}
