//! One network namespace: run code and commands inside.

use crate::process;
use crate::snapshot::Snapshot;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use std::fs::{self, File};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// The network namespace of the calling thread. `/proc/self` would be the one of the process's first thread.
const OWN_NETNS: &str = "/proc/thread-self/ns/net";

/// No command of a test takes that long: whoever waits longer waits for ever.
const COMMAND_LIMIT: Duration = Duration::from_mins(1);

/// A network namespace of a [`Sandbox`](crate::Sandbox), known by the path where it is bound.
///
/// Only that mount (and who runs inside) keeps the namespace alive: this value holds no descriptor, so that a test can see
/// what happens when a namespace goes away.
#[derive(Debug)]
pub struct TestNs {
    name: String,
    path: PathBuf,
}

/// What a shell command did.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl TestNs {
    /// Makes a namespace and binds it below `dir`.
    pub(crate) fn create(dir: &Path, name: &str) -> Self {
        thread::scope(|scope| {
            let maker = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("unshare network namespace {name:?}: {e}"));
                Self::bind(dir, name)
            });
            maker.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Binds the calling thread's namespace below `dir`.
    pub(crate) fn bind(dir: &Path, name: &str) -> Self {
        let path = dir.join(name);
        File::create_new(&path).unwrap_or_else(|e| panic!("create {}: {e}", path.display()));
        mount(Some(OWN_NETNS), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .unwrap_or_else(|e| panic!("bind {OWN_NETNS} to {}: {e}", path.display()));
        Self { name: name.to_owned(), path }
    }

    /// The name it was made with; its servers answer with it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path to give to a plugin as `CNI_NETNS`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Unmounts and unlinks the namespace. It is gone, and all links in it, unless something still runs inside.
    #[track_caller]
    pub fn remove(self) {
        umount2(&self.path, MntFlags::MNT_DETACH).unwrap_or_else(|e| panic!("unmount {}: {e}", self.path.display()));
        fs::remove_file(&self.path).unwrap_or_else(|e| panic!("remove {}: {e}", self.path.display()));
    }

    /// Runs `task` on a thread inside. A socket made there stays a socket of this namespace wherever it is taken.
    #[track_caller]
    pub fn run<T: Send>(&self, task: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            // The test's own name, so that a panic inside is reported as the test's.
            let name = thread::current().name().unwrap_or("test").to_owned();
            let inside = thread::Builder::new().name(name).spawn_scoped(scope, || {
                self.enter();
                task()
            });
            let inside = inside.unwrap_or_else(|e| panic!("start a thread for {}: {e}", self.path.display()));
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Moves the calling thread inside; it never comes back.
    #[expect(clippy::disallowed_methods, reason = "testkit knows no other crate; run() gives each task its own thread")]
    fn enter(&self) {
        let netns = File::open(&self.path).unwrap_or_else(|e| panic!("open {}: {e}", self.path.display()));
        nix::sched::setns(netns, CloneFlags::CLONE_NEWNET)
            .unwrap_or_else(|e| panic!("enter {}: {e}", self.path.display()));
    }

    /// Runs a shell script inside (`sh -e`, so that it stops at the first failing line) and returns its stdout.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let ran = self.try_sh(script);
        assert!(
            ran.status.success(),
            "in namespace {}: {script}\n{}\nstdout:\n{}\nstderr:\n{}",
            self.name,
            ran.status,
            ran.stdout,
            ran.stderr
        );
        ran.stdout
    }

    /// The same, for scripts that may fail.
    #[track_caller]
    pub fn try_sh(&self, script: &str) -> Ran {
        self.run(|| shell(script))
    }

    /// The same as [`sh`](Self::sh) for a command that prints JSON, such as `ip -j addr`.
    #[track_caller]
    pub fn json(&self, script: &str) -> Value {
        let text = self.sh(script);
        serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("in namespace {}: {script}: not JSON: {e}\n{text}", self.name))
    }

    /// The names of its links but for `lo`.
    #[track_caller]
    pub fn links(&self) -> Vec<String> {
        let links = self.json("ip -j link show");
        let names = links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
        names.filter(|name| *name != "lo").map(str::to_owned).collect()
    }

    /// A link as `ip -d` shows it.
    #[track_caller]
    pub fn link(&self, name: &str) -> Value {
        self.json(&format!("ip -j -d link show dev {name}"))[0].clone()
    }

    /// The addresses of a link, but for those of IPv6 that are its own.
    #[track_caller]
    pub fn addresses(&self, name: &str) -> Vec<String> {
        let links = self.json(&format!("ip -j addr show dev {name}"));
        let infos = links[0]["addr_info"].as_array().into_iter().flatten();
        let texts = infos.filter_map(|info| Some(format!("{}/{}", info["local"].as_str()?, info["prefixlen"])));
        texts.filter(|address| !address.starts_with("fe80:")).collect()
    }

    /// A sysctl, by its path below `/proc/sys/net`.
    #[track_caller]
    pub fn sysctl(&self, path: &str) -> String {
        self.sh(&format!("cat /proc/sys/net/{path}")).trim().to_owned()
    }

    /// What the kernel holds inside.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self, &[])
    }
}

/// Runs a shell script in the calling thread's namespaces.
#[track_caller]
pub(crate) fn shell(script: &str) -> Ran {
    let mut sh = process::command("/bin/sh");
    sh.args(["-ec", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = process::finish(&mut sh, Vec::new(), COMMAND_LIMIT).unwrap_or_else(|e| panic!("start /bin/sh: {e}"));
    let ran = Ran {
        status: done.status,
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    };
    assert!(!done.timed_out, "killed after {COMMAND_LIMIT:?}: {script}\n{ran:?}");
    ran
}
