//! A plugin that does nothing, remembers how it was called and answers what it was told to.
//!
//! Its file is a script whose interpreter is this very program, so that the kernel starts it with the environment and input
//! that the plugin under test chose, and nothing in between can change them.
#![allow(clippy::panic, reason = "what the machine lacks is reported by panics, as the testkit does")]

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testkit::Sandbox;

/// The word behind the interpreter in the script, and so this program's first argument.
pub const COMMAND: &str = "stub";

/// How long a stub that is held waits for its release, and how often it looks.
const HELD: (Duration, Duration) = (Duration::from_secs(20), Duration::from_millis(5));

/// A stub plugin on a stage.
#[derive(Clone, Debug)]
pub struct Stub {
    script: PathBuf,
}

/// What a stub does when it is called with one command.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// What it prints.
    pub stdout: String,
    /// What it logs.
    pub stderr: String,
    /// Its exit status.
    pub status: u8,
    /// How long it takes.
    pub delay: Duration,
    /// Whether it waits for [`Stub::release`] before it answers.
    #[serde(default)]
    pub held: bool,
    /// Whether it ends by SIGKILL once it has printed and logged.
    #[serde(default)]
    pub killed: bool,
    /// Whether it kills the plugin that has run it.
    #[serde(default)]
    pub kills_caller: bool,
}

/// One call that a stub got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// `CNI_COMMAND`.
    pub command: String,
    /// All variables.
    pub environment: BTreeMap<String, String>,
    /// The input, to the byte as far as it is UTF-8.
    pub stdin: String,
}

impl From<Value> for Answer {
    /// Success with this document.
    fn from(document: Value) -> Self {
        Self { stdout: document.to_string(), ..Self::default() }
    }
}

impl Answer {
    /// Failure with an error object.
    pub fn error(code: u64, msg: &str, details: &str) -> Self {
        let error = json!({ "cniVersion": "1.1.0", "code": code, "msg": msg, "details": details });
        Self { stdout: error.to_string(), status: 1, ..Self::default() }
    }
}

impl Stub {
    /// Makes a stub of this name. It lists all versions, answers ADD with a result that has nothing in it, and the rest
    /// with silence.
    pub(crate) fn install(sandbox: &Sandbox, dir: &Path, name: &str) -> Self {
        let stub = Self { script: dir.join(name) };
        let program = sandbox.dir().join("interpreter");
        let own = env::current_exe().unwrap_or_else(|e| panic!("find the own program: {e}"));
        // The interpreter's path must be short and without blanks.
        let _ = symlink(own, &program);
        let script = format!("#!{} {COMMAND}\n", program.display());
        fs::write(&stub.script, script).unwrap_or_else(|e| panic!("write {}: {e}", stub.script.display()));
        fs::set_permissions(&stub.script, fs::Permissions::from_mode(0o755)).unwrap_or_else(|e| panic!("chmod: {e}"));
        for dir in [calls, drafts, answers, releases].map(|place| place(&stub.script)) {
            fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("create {}: {e}", dir.display()));
        }
        stub
    }

    /// Has it answer this command so from now on.
    pub fn answer(&self, command: &str, answer: impl Into<Answer>) -> &Self {
        let path = answers(&self.script).join(command);
        let text = json!(answer.into()).to_string();
        fs::write(&path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
        self
    }

    /// Lets go all calls that are held, now and in the future.
    pub fn release(&self) {
        let path = released(&self.script);
        fs::write(&path, "").unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
    }

    /// The calls that it got, in order of their start.
    pub fn calls(&self) -> Vec<Recorded> {
        let dir = calls(&self.script);
        let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("read {}: {e}", dir.display()));
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        let read = |path: &PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
        files.iter().filter_map(read).collect()
    }

    /// The commands of [`calls`](Self::calls).
    pub fn commands(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.command).collect()
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        let dir = calls(&self.script);
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The stub as a program: `script` is its file.
pub fn main(script: &Path) -> ExitCode {
    match play(script) {
        Ok(code) => code,
        Err(e) => {
            let _ = writeln!(io::stderr(), "stub {}: {e}", script.display());
            ExitCode::FAILURE
        }
    }
}

fn play(script: &Path) -> io::Result<ExitCode> {
    let mut stdin = Vec::new();
    io::stdin().read_to_end(&mut stdin)?;
    let stdin = String::from_utf8_lossy(&stdin).into_owned();
    let environment: BTreeMap<_, _> = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let command = environment.get("CNI_COMMAND").cloned().unwrap_or_default();
    let answer = answer_to(script, &command, &stdin);
    record(script, &Recorded { command, environment, stdin })?;
    // 0 and 1 are no caller: it has gone already.
    let caller = i32::try_from(parent_id()).unwrap_or_default();
    if answer.kills_caller && caller > 1 {
        kill(Pid::from_raw(caller), Signal::SIGKILL)?;
    }
    sleep(answer.delay);
    let start = Instant::now();
    while answer.held && start.elapsed() < HELD.0 && !released(script).exists() {
        sleep(HELD.1);
    }
    io::stderr().write_all(answer.stderr.as_bytes())?;
    io::stdout().write_all(answer.stdout.as_bytes())?;
    io::stdout().flush()?;
    if answer.killed {
        raise(Signal::SIGKILL)?;
    }
    Ok(ExitCode::from(answer.status))
}

fn answer_to(script: &Path, command: &str, stdin: &str) -> Answer {
    let told = fs::read(answers(script).join(command)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    told.unwrap_or_else(|| match command {
        "VERSION" => json!({ "cniVersion": "1.1.0", "supportedVersions": crate::case::VERSIONS }).into(),
        "ADD" => {
            let conf: Value = serde_json::from_str(stdin).unwrap_or_default();
            json!({ "cniVersion": conf["cniVersion"] }).into()
        }
        _ => Answer::default(),
    })
}

/// Under a name of its own, that sorts by time. Whoever looks meanwhile finds the whole of it or nothing.
fn record(script: &Path, call: &Recorded) -> io::Result<()> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = format!("{time:030}-{}", std::process::id());
    let draft = drafts(script).join(&name);
    fs::write(&draft, json!(call).to_string())?;
    fs::rename(draft, calls(script).join(name))
}

fn calls(script: &Path) -> PathBuf {
    beside(script, "calls")
}

/// Calls that are not written to their end.
fn drafts(script: &Path) -> PathBuf {
    beside(script, "drafts")
}

fn answers(script: &Path) -> PathBuf {
    beside(script, "answers")
}

fn releases(script: &Path) -> PathBuf {
    beside(script, "releases")
}

/// A file whose existence lets calls go on.
fn released(script: &Path) -> PathBuf {
    releases(script).join("all")
}

/// Not in the directory of plugins.
fn beside(script: &Path, what: &str) -> PathBuf {
    let name = script.file_name().unwrap_or_default();
    script.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join(what).join(name)
}
