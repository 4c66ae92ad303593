//! A host on which one plugin is called again and again, and what has to hold before and after each call.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use testkit::{Attachment, Output, Plugin, Sandbox, Snapshot, TestNs};

use crate::{
    demands, odd_files,
    readonly::protect_the_machine,
    subjects::{Maker, Subject},
    values::Bytes,
};

/// No call takes that long, be the machine ever so busy and the input ever so large.
pub const LIMIT: Duration = Duration::from_secs(30);

/// What the host keeps of `cni0` when its last container goes, and what plugins remember there.
const SHARED: &str = "cni0";

/// One junk call.
#[derive(Clone, Debug)]
pub struct Case {
    /// `CNI_COMMAND`.
    pub command: String,
    pub stdin: Bytes,
    /// Variables that differ from the proper call's; `None` removes one.
    pub vars: Vec<(&'static str, Option<OsString>)>,
    /// The container has been attached properly before. Not of interest to ADD.
    pub attached: bool,
    /// All that the kernel holds is compared, though the call should have had no effect. That takes longer than a call.
    pub watched: bool,
}

/// A private host with one container.
pub struct Stage {
    sandbox: Sandbox,
    container: TestNs,
    subject: Subject,
    /// The proper call.
    pub proper: Attachment,
    /// The host as it is between cases.
    idle: RefCell<Option<Idle>>,
    /// A case has begun and not ended well.
    dirty: Cell<bool>,
}

/// What has to be the same after an attachment has come and gone.
struct Idle {
    traces: BTreeSet<String>,
    shape: String,
    /// Of the host, and of the container.
    snapshots: [Snapshot; 2],
}

impl Case {
    /// Whether it is a DEL after which the plugin may take the container, which is still there, to be gone.
    fn loses_container(&self) -> bool {
        self.attached && self.command == "DEL" && self.vars.iter().any(|(name, _)| *name == "CNI_NETNS")
    }

    /// Whether the plugin may be told that the attachment is not valid any more, and forget what to give back to the
    /// container, which is still there.
    fn may_forget_the_attachment(&self) -> bool {
        self.attached && self.command == "GC"
    }
}

impl Stage {
    pub fn new(make: Maker) -> Self {
        let sandbox = Sandbox::enter();
        protect_the_machine();
        odd_files::make(&sandbox.dir().join("odd"));
        // A relative path in a configuration leads from here. The working directory is the thread's own in a sandbox.
        let cwd = sandbox.dir().join("cwd");
        fs::create_dir(&cwd).unwrap();
        env::set_current_dir(&cwd).unwrap();
        let container = sandbox.netns("container");
        let subject = make(&sandbox.dir().join("leases"));
        let proper = Attachment::new(subject.conf.clone(), &container);
        let stage = Self { sandbox, container, subject, proper, idle: RefCell::default(), dirty: Cell::new(false) };
        stage.prepare();
        stage
    }

    /// Whether its calls start programs.
    pub fn is_slow(&self) -> bool {
        self.subject.is_slow
    }

    /// Where the subject keeps leases of its network.
    pub fn leases(&self) -> PathBuf {
        self.sandbox.dir().join("leases").join("net")
    }

    /// Makes the call and demands all that this crate promises.
    pub fn judge(&self, case: &Case) {
        if self.dirty.replace(true) {
            self.prepare();
        }
        let attached = case.attached.then(|| self.proper.add().success());
        let before = self.traces();
        let call = self.call(case);
        let output = call.run();
        demands::check(&case.command, &output);
        if case.command == "ADD" {
            take_back(&call, &output);
            assert_eq!(before, self.traces(), "an ADD left something\n{output}");
        }
        if let Some(result) = attached {
            self.proper.with_prev(&result).del().silent();
        }
        if case.loses_container() {
            // What was to be given back to it is forgotten: the next case begins with a new one.
            return;
        }
        let forgotten = case.may_forget_the_attachment();
        let watched = case.watched || case.command == "ADD" && may_have_had_an_effect(&output);
        self.compare_with_idle(&output, watched && !forgotten);
        self.dirty.set(forgotten);
    }

    fn call(&self, case: &Case) -> Plugin {
        let call = self.proper.call(&case.command).limit(LIMIT).stdin(case.stdin.0.clone());
        case.vars.iter().fold(call, |call, (name, value)| match value {
            Some(value) => call.env(name, value),
            None => call.env_remove(name),
        })
    }

    fn compare_with_idle(&self, output: &Output, watched: bool) {
        let shape = self.shape();
        let same = self.idle.borrow().as_ref().is_none_or(|idle| {
            assert_eq!(idle.traces, self.traces(), "something is left of the attachment\n{output}");
            if shape == idle.shape && watched {
                let [host, container] = self.snapshots();
                let diff = idle.snapshots[0].diff(&host) + &idle.snapshots[1].diff(&container);
                assert!(diff.is_empty(), "something is left of the attachment:\n{diff}{output}");
            }
            shape == idle.shape
        });
        if !same {
            // What the junk named and all attachments share: a bridge of another name, another gateway.
            self.prepare();
        }
    }

    /// What belongs to attachments: the ends of their links, and leases.
    fn traces(&self) -> BTreeSet<String> {
        let host = links().into_iter().filter(|link| link.starts_with("veth")).map(|link| format!("host: {link}"));
        let inside = self.container.run(links).into_iter().map(|link| format!("container: {link}"));
        let mut traces: BTreeSet<String> = host.chain(inside).collect();
        find_leases(&self.sandbox.dir().join("leases"), &mut traces);
        traces
    }

    /// Links and addresses, as cheap as they come.
    fn shape(&self) -> String {
        let inside = self.container.run(|| (links(), addresses()));
        format!("{:?}", (links(), addresses(), inside))
    }

    fn snapshots(&self) -> [Snapshot; 2] {
        [self.sandbox.snapshot(&[]).without(&[SHARED]), self.container.snapshot()]
    }

    /// Makes host and container as they are to be between cases, whatever has become of them.
    fn prepare(&self) {
        // A link that cannot be deleted, of whatever name, is no obstacle: it is there before and after each case.
        let sweep = "ip -o link | sed 's/^[0-9]*: //; s/[@:].*//' | grep -vx lo | while read -r link; do
            ip link del \"$link\" 2>/dev/null || true; done";
        self.sandbox.sh(&format!("{sweep}; nft flush ruleset; ip link set lo up"));
        self.container.sh(&format!("{sweep}; ip link set lo down"));
        let leases = self.sandbox.dir().join("leases");
        let _ = fs::remove_dir_all(&leases);
        self.sandbox.sh(self.subject.host);
        self.container.sh(self.subject.container);
        // Once, for what stays.
        let result = self.proper.add().success();
        self.proper.with_prev(&result).del().silent();
        let idle = Idle { traces: self.traces(), shape: self.shape(), snapshots: self.snapshots() };
        *self.idle.borrow_mut() = Some(idle);
    }
}

/// What an ADD has made goes by a DEL with the same input.
pub fn take_back(add: &Plugin, output: &Output) {
    if output.status.success() {
        add.clone().command("DEL").run().silent();
    }
}

/// Whether a call got beyond its input: these codes say what is wrong with that.
fn may_have_had_an_effect(output: &Output) -> bool {
    output.status.success() || ![1, 4, 6, 8].map(Value::from).contains(&output.json()["code"])
}

/// The names of the calling thread's links.
fn links() -> BTreeSet<String> {
    let table = fs::read("/proc/thread-self/net/dev").unwrap();
    let table = String::from_utf8_lossy(&table);
    table.lines().skip(2).filter_map(|line| line.rsplit_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
}

/// The calling thread's addresses, but for those that come and go by themselves.
fn addresses() -> [String; 2] {
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    // The fourth column is the scope, 00 is global.
    let global = |line: &&str| line.split_whitespace().nth(3) == Some("00");
    [read("fib_trie"), read("if_inet6").lines().filter(global).collect()]
}

/// Files with their content, but for those that stay.
fn find_leases(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            find_leases(&path, found);
        } else if !["lock", ".boot_id"].contains(&&*name)
            && !name.starts_with("last_reserved_ip.")
            && path.extension().is_none_or(|extension| extension != "index")
        {
            let content = fs::read(&path).unwrap_or_default();
            found.insert(format!("file {}: {}", path.display(), content.escape_ascii()));
        }
    }
}
