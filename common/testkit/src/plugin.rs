//! One call of a plugin's binary.

use crate::invocation::Invocation;
use crate::output::Output;
use crate::process;
use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::pipe;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Where to look for binaries, when not beside the running test.
const BIN_DIR: &str = "MOORING_BIN_DIR";

/// Longer than any call takes on a busy machine, short enough that a hanging test says so.
const LIMIT: Duration = Duration::from_secs(30);

/// A call to be made: program, environment, stdin, stdout. It can be run any number of times.
///
/// It starts with `CNI_PATH` set to the directory of the binary, no other `CNI_*` variable, the rest of the test's
/// environment, an empty stdin, and 30 seconds to end.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plugin {
    program: PathBuf,
    wrapper: Vec<OsString>,
    inherit: bool,
    vars: BTreeMap<OsString, Option<OsString>>,
    stdin: Stdin,
    stdout: Stdout,
    limit: Duration,
    whole_group: bool,
}

/// What a plugin finds on its stdin.
#[derive(Clone, Debug)]
pub enum Stdin {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// No file descriptor 0 at all.
    Closed,
    /// An open file: a directory, a pipe that never ends.
    Fd(Arc<OwnedFd>),
}

/// Where a plugin's stdout leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// To the [`Output`].
    Captured,
    /// Nowhere: no file descriptor 1. Mind that Rust's runtime opens `/dev/null` in its place, and writing succeeds.
    Closed,
    /// To `/dev/full`: writing fails with ENOSPC.
    Full,
    /// To a pipe that nobody reads: writing fails with EPIPE.
    BrokenPipe,
}

impl From<Value> for Stdin {
    fn from(conf: Value) -> Self {
        Self::from(&conf)
    }
}

impl From<&Value> for Stdin {
    fn from(conf: &Value) -> Self {
        Self::Bytes(conf.to_string().into_bytes())
    }
}

impl From<&str> for Stdin {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Stdin {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<File> for Stdin {
    fn from(file: File) -> Self {
        Self::Fd(Arc::new(file.into()))
    }
}

impl Plugin {
    /// A binary by its path, or one of ours by its name: see [`bin_dir`](Self::bin_dir).
    pub fn new(program: impl AsRef<Path>) -> Self {
        let given = program.as_ref();
        let program = if given.components().count() > 1 { given.to_owned() } else { Self::bin_dir().join(given) };
        let dir = program.parent().unwrap_or(Path::new("/")).to_owned();
        Self {
            program,
            wrapper: Vec::new(),
            inherit: true,
            vars: BTreeMap::new(),
            stdin: Stdin::Bytes(Vec::new()),
            stdout: Stdout::Captured,
            limit: LIMIT,
            whole_group: false,
        }
        .path([dir])
    }

    /// Where our binaries are: `MOORING_BIN_DIR`, or where cargo puts them, next to the running test.
    pub fn bin_dir() -> PathBuf {
        if let Some(dir) = env::var_os(BIN_DIR) {
            return PathBuf::from(dir);
        }
        let test = env::current_exe().unwrap_or_else(|e| panic!("find the running test: {e}"));
        let dir = test.parent().unwrap_or(Path::new("/"));
        // Tests are in target/PROFILE/deps, binaries one level up.
        if dir.ends_with("deps") { dir.parent().unwrap_or(dir) } else { dir }.to_owned()
    }

    /// Sets `CNI_COMMAND`.
    pub fn command(self, command: &str) -> Self {
        self.env("CNI_COMMAND", command)
    }

    /// Sets `CNI_CONTAINERID`.
    pub fn container(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id)
    }

    /// Sets `CNI_NETNS`; `""` is a way of runtimes to say that it is gone.
    pub fn netns(self, path: impl AsRef<OsStr>) -> Self {
        self.env("CNI_NETNS", path)
    }

    /// Sets `CNI_IFNAME`.
    pub fn ifname(self, name: &str) -> Self {
        self.env("CNI_IFNAME", name)
    }

    /// Sets `CNI_ARGS`, e.g. `"IgnoreUnknown=1;K8S_POD_NAME=web"`.
    pub fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// Sets `CNI_PATH` to these directories.
    pub fn path(self, dirs: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let path = env::join_paths(dirs).unwrap_or_else(|e| panic!("CNI_PATH: {e}"));
        self.env("CNI_PATH", path)
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.vars.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Removes a variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.vars.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Removes all variables, those of the test's environment too.
    pub fn env_clear(mut self) -> Self {
        self.vars.clear();
        self.inherit = false;
        self
    }

    /// Leaves out the test's own environment: the variables that were set are all there are.
    pub fn env_isolated(mut self) -> Self {
        self.inherit = false;
        self
    }

    /// Gives it a configuration, text, bytes, an open file, or no stdin at all.
    pub fn stdin(mut self, stdin: impl Into<Stdin>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Leads stdout elsewhere.
    pub fn stdout(mut self, stdout: Stdout) -> Self {
        self.stdout = stdout;
        self
    }

    /// Kills it, and fails the test, after this time.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Waits for what it has started, too, even if that holds no output: a delegate may outlive a plugin that is killed.
    pub fn whole_group(mut self) -> Self {
        self.whole_group = true;
        self
    }

    /// Runs it under another program, e.g. `["strace", "-f", "-e", "inject=..."]`.
    pub fn under(mut self, wrapper: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.wrapper = wrapper.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Makes the call, on the calling thread's host, and waits for its end.
    #[track_caller]
    pub fn run(&self) -> Output {
        let invocation = self.invocation();
        assert!(self.program.is_file(), "no such program; build the workspace first\n{invocation}");
        let done = process::finish(&mut self.prepare(), self.input().to_vec(), self.limit);
        let done = done.unwrap_or_else(|e| panic!("start: {e}\n{invocation}"));
        let output = Output::new(invocation, &done);
        assert!(!done.timed_out, "still running, or its output held open, after {:?}\n{output}", self.limit);
        let ended = !self.whole_group || process::finish_group(done.group, self.limit);
        assert!(ended, "what it has started still ran after {:?}\n{output}", self.limit);
        output
    }

    /// The executable.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The bytes on its stdin; none if something else is there.
    pub fn input(&self) -> &[u8] {
        if let Stdin::Bytes(bytes) = &self.stdin { bytes } else { &[] }
    }

    fn prepare(&self) -> Command {
        let mut words = self.words().into_iter();
        let mut command = process::command(words.next().unwrap_or_default());
        command.args(words).env_clear().envs(self.environment());
        command.stdin(match &self.stdin {
            Stdin::Bytes(_) => Stdio::piped(),
            Stdin::Closed => Stdio::null(),
            Stdin::Fd(fd) => fd.try_clone().unwrap_or_else(|e| panic!("duplicate stdin: {e}")).into(),
        });
        command.stdout(match self.stdout {
            Stdout::Captured => Stdio::piped(),
            Stdout::Closed => Stdio::null(),
            Stdout::Full => full_device(),
            Stdout::BrokenPipe => broken_pipe(),
        });
        command.stderr(Stdio::piped());
        command
    }

    /// The command line. Only a shell can start a program with a standard descriptor closed.
    fn words(&self) -> Vec<OsString> {
        let script = match (&self.stdin, self.stdout) {
            (Stdin::Closed, Stdout::Closed) => Some("exec \"$@\" <&- >&-"),
            (Stdin::Closed, _) => Some("exec \"$@\" <&-"),
            (_, Stdout::Closed) => Some("exec \"$@\" >&-"),
            _ => None,
        };
        let shell = script.into_iter().flat_map(|script| ["/bin/sh", "-c", script, "sh"]).map(OsString::from);
        shell.chain(self.wrapper.iter().cloned()).chain([self.program.clone().into_os_string()]).collect()
    }

    /// All variables that it starts with.
    pub fn environment(&self) -> BTreeMap<OsString, OsString> {
        let inherited =
            env::vars_os().filter(|(name, _)| self.inherit && !name.as_encoded_bytes().starts_with(b"CNI_"));
        let mut all: BTreeMap<_, _> = inherited.collect();
        for (name, value) in &self.vars {
            match value {
                Some(value) => drop(all.insert(name.clone(), value.clone())),
                None => drop(all.remove(name)),
            }
        }
        all
    }

    /// The call as a failed test shows it.
    pub fn invocation(&self) -> Invocation {
        let words: Vec<_> = self.words().iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let text = |value: &OsString| value.to_string_lossy().into_owned();
        Invocation {
            command: words.join(" "),
            inherits: self.inherit,
            environment: self.vars.iter().map(|(name, value)| (text(name), value.as_ref().map(text))).collect(),
            stdin: match &self.stdin {
                Stdin::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                other => format!("{other:?}"),
            },
            stdout: self.stdout,
        }
    }
}

fn full_device() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap_or_else(|e| panic!("open /dev/full: {e}")).into()
}

fn broken_pipe() -> Stdio {
    let (_, writer) = pipe().unwrap_or_else(|e| panic!("create a pipe: {e}"));
    writer.into()
}
