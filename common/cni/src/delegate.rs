//! Running another plugin on our behalf (spec: section 4, "Plugin delegation").

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command as Process, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{Code, Command, Error, Result, Success, Version, json, wire};

/// A plugin that works for ours, with the same environment and the same request.
#[derive(Debug, Clone)]
pub struct Delegate {
    plugin: String,
    path: String,
    request: Arc<[u8]>,
    version: Version,
}

/// An executable that is being written answers ETXTBSY; libcni tries as often and waits as long.
const BUSY_TRIES: u32 = 6;
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// What fits into a pipe (pipe(7)): shorter requests are written before the delegate reads.
const PIPE_CAPACITY: usize = 65_536;

impl Delegate {
    /// `plugin` as found in the `:`-separated directories of `path`, to be handed `request` as it was received.
    pub(crate) fn new(plugin: String, path: String, request: Arc<[u8]>, version: Version) -> Self {
        Self { plugin, path, request, version }
    }

    /// The delegate's CNI type.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Starts it for ADD, so that it has come to reading its request when [`Started::ask`] sends that.
    pub fn start(&self) -> Result<Started> {
        self.start_for(Command::Add)
    }

    /// DEL.
    pub fn del(&self) -> Result<()> {
        self.run(Command::Del).map(drop)
    }

    /// CHECK, GC or STATUS.
    pub(crate) fn forward(&self, command: Command) -> Result<()> {
        self.run(command).map(drop)
    }

    fn run(&self, command: Command) -> Result<Vec<u8>> {
        self.start_for(command)?.answer()
    }

    /// Starts the delegate; its standard error is ours.
    fn start_for(&self, command: Command) -> Result<Started> {
        let executable = self.find()?;
        let child = spawn(&executable, command).map_err(|error| not_run(&executable, &error))?;
        Ok(Started { delegate: self.clone(), executable, child, is_asked: false, is_over: false })
    }

    fn find(&self) -> Result<PathBuf> {
        if self.plugin.contains(['/', '\\']) {
            return Err(Error::invalid(format!(
                "invalid plugin name: \"{}\" must not contain a path separator",
                self.plugin
            )));
        }
        let directories = self.path.split(':').filter(|directory| !directory.is_empty());
        directories
            .map(|directory| Path::new(directory).join(&self.plugin))
            .find(|candidate| candidate.is_file())
            .ok_or_else(|| {
                let searched: Vec<&str> = self.path.split(':').collect();
                Error::invalid(format!("failed to find plugin \"{}\" in path [{}]", self.plugin, searched.join(" ")))
            })
    }

    /// The delegate's own error, with its code, or what can be said without one.
    fn failure(&self, status: ExitStatus, stdout: &[u8]) -> Error {
        #[derive(Deserialize)]
        struct Printed {
            code: u32,
            #[serde(default)]
            msg: String,
            #[serde(default)]
            details: Option<String>,
        }
        let printed = serde_json::from_slice(stdout).ok().and_then(|value| json::decode::<Printed>(&value).ok());
        match printed {
            // An error has a code above 0 and says something; without, nobody could tell what it is.
            Some(Printed { code: code @ 1.., msg, details }) if !msg.trim().is_empty() => {
                Error::new(Code::Other(code), msg).details(details.unwrap_or_default())
            }
            _ if stdout.is_empty() => {
                Error::new(Code::Internal, format!("plugin \"{}\" failed with no error message: {status}", self.plugin))
            }
            _ => Error::new(
                Code::Internal,
                format!("plugin \"{}\" failed but its error could not be decoded: {status}", self.plugin),
            )
            .details(String::from_utf8_lossy(stdout)),
        }
    }
}

/// A delegate that has been started.
///
/// One that is not asked gets no request, and has nothing to do.
#[derive(Debug)]
pub struct Started {
    delegate: Delegate,
    executable: PathBuf,
    child: Child,
    is_asked: bool,
    is_over: bool,
}

impl Started {
    /// Hands over the request; what does not need the answer may be done meanwhile. The caller pushes [`Delegate::del`] on
    /// its undo log *before*: also a delegate that fails is owed a DEL.
    pub fn ask(&mut self) -> Result<()> {
        self.is_asked = true;
        let Some(stdin) = self.child.stdin.take() else { return Ok(()) };
        hand_over(stdin, &self.delegate.request).map_err(|error| not_run(&self.executable, &error))
    }

    /// The result of the ADD that it was [asked](Self::ask) for.
    pub fn result(self) -> Result<Success> {
        let Delegate { plugin, version, .. } = self.delegate.clone();
        let stdout = self.answer()?;
        let document: Value = serde_json::from_slice(&stdout)
            .map_err(|error| Error::new(Code::Decode, format!("decode result of \"{plugin}\": {error}")))?;
        wire::decode(&document, version).map_err(|error| error.context(format!("\"{plugin}\"")))
    }

    /// What it prints when it is asked.
    fn answer(mut self) -> Result<Vec<u8>> {
        let asked = self.ask();
        let (answer, status) = self.end();
        asked?;
        let status = status.map_err(|error| not_run(&self.executable, &error))?;
        let stdout = answer.map_err(|error| not_run(&self.executable, &error))?;
        if status.success() { Ok(stdout) } else { Err(self.delegate.failure(status, &stdout)) }
    }

    /// What it prints, and how it ends. Whatever has failed: it must not go on behind the back of the DEL that undoes it.
    fn end(&mut self) -> (io::Result<Vec<u8>>, io::Result<ExitStatus>) {
        self.is_over = true;
        drop(self.child.stdin.take());
        let mut answer = Vec::new();
        let stdout = self.child.stdout.take();
        let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut answer));
        (read.map(|_| answer), self.child.wait())
    }
}

impl Drop for Started {
    /// The ADD has failed before there was an answer. Who was asked is owed a DEL, which the undo log has; who has done
    /// something without being asked is owed one, too.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (_, status) = self.end();
        if !self.is_asked
            && status.is_ok_and(|status| status.success())
            && let Err(error) = self.delegate.del()
        {
            log::warn!("undo ADD of \"{}\": {error}", self.delegate.plugin);
        }
    }
}

fn not_run(executable: &Path, error: &io::Error) -> Error {
    Error::new(Code::Io, format!("run {}: {error}", executable.display()))
}

#[expect(clippy::disallowed_methods, reason = "the one place where a process is started: the specification demands it")]
fn spawn(executable: &Path, command: Command) -> io::Result<Child> {
    let mut process = Process::new(executable);
    process.env("CNI_COMMAND", command.as_str()).stdin(Stdio::piped()).stdout(Stdio::piped());
    for _ in 1..BUSY_TRIES {
        match process.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(BUSY_WAIT),
            other => return other,
        }
    }
    process.spawn()
}

/// Writes the request. A delegate may exit without having read it.
fn hand_over(mut stdin: ChildStdin, request: &Arc<[u8]>) -> io::Result<()> {
    if request.len() > PIPE_CAPACITY {
        // It might fill its standard output before it has read all: write beside the reading.
        let request = Arc::clone(request);
        thread::spawn(move || stdin.write_all(&request));
        return Ok(());
    }
    stdin.write_all(request).or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use serde_json::json;

    use super::*;

    const REQUEST: &str = r#"{"name": "n",  "odd": 12345678901234567890}"#;

    fn delegate(script: &str) -> (tempfile::TempDir, Delegate) {
        let dir = tempfile::tempdir().unwrap();
        let executable = dir.path().join("stub");
        fs::write(&executable, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("/nonexistent:{}", dir.path().display());
        (dir, Delegate::new("stub".into(), path, REQUEST.as_bytes().into(), Version::V1_0_0))
    }

    #[test]
    fn request_arrives_byte_for_byte_with_the_command() {
        let (dir, delegate) =
            delegate(r#"cat > "$(dirname "$0")/stdin"; echo "$CNI_COMMAND" > "$(dirname "$0")/command""#);
        delegate.del().unwrap();
        assert_eq!(fs::read(dir.path().join("stdin")).unwrap(), delegate.request.as_ref());
        assert_eq!(fs::read_to_string(dir.path().join("command")).unwrap(), "DEL\n");
    }

    #[test]
    fn result_without_a_version_has_the_requests() {
        let (_dir, delegate) = delegate(r#"echo '{"ips":[{"address":"10.0.0.2/24"}]}'"#);
        assert_eq!(delegate.start().unwrap().result().unwrap().ips.len(), 1);
    }

    #[test]
    fn delegate_that_is_not_asked_is_waited_for_and_undone_only_if_it_did_something() {
        let note = r#"echo "$CNI_COMMAND $(cat)" >> "$(dirname "$0")/calls""#;
        for (script, calls) in [
            (format!("{note}; exit 1"), "ADD \n".to_owned()),
            (format!("{note}; exit 0"), format!("ADD \nDEL {REQUEST}\n")),
        ] {
            let (dir, delegate) = delegate(&script);
            drop(delegate.start().unwrap());
            assert_eq!(fs::read_to_string(dir.path().join("calls")).unwrap(), calls);
        }
    }

    #[test]
    fn delegate_whose_answer_nobody_waits_for_comes_to_its_end_first() {
        let (dir, delegate) = delegate(r#"sleep 0.1; cat > "$(dirname "$0")/done""#);
        let mut started = delegate.start().unwrap();
        started.ask().unwrap();
        drop(started);
        assert_eq!(fs::read_to_string(dir.path().join("done")).unwrap(), REQUEST);
    }

    #[test]
    fn error_is_passed_on_with_its_code() {
        let (_dir, delegate) = delegate(r#"echo '{"code": 11, "msg": "later", "details": "busy"}'; exit 1"#);
        let error = delegate.del().unwrap_err();
        assert_eq!((error.code.number(), error.msg.as_str(), error.details.as_str()), (11, "later", "busy"));
    }

    #[test]
    fn silent_and_garbled_failures_are_told_apart() {
        let (_dir, silent) = delegate("exit 3");
        assert!(silent.del().unwrap_err().msg.contains("no error message: exit status: 3"));
        let (_dir, garbled) = delegate("echo oops; exit 1");
        assert_eq!(garbled.del().unwrap_err().details, "oops\n");
        for error in [
            r#"{"code": 0, "msg": "x"}"#,
            r#"{"code": 7, "msg": " "}"#,
            r#"{"code": 7}"#,
            r#"{"code": -1, "msg": "x"}"#,
        ] {
            let (_dir, senseless) = delegate(&format!("echo '{error}'; exit 1"));
            let told = senseless.del().unwrap_err();
            assert_eq!((told.code, told.details.trim()), (Code::Internal, error));
            assert!(told.msg.contains("could not be decoded: exit status: 1"), "{told}");
        }
    }

    #[test]
    fn delegate_that_reads_nothing_may_succeed() {
        let (_dir, mut delegate) = delegate("exit 0");
        delegate.del().unwrap();
        delegate.request = json!({"fill": "x".repeat(1 << 20)}).to_string().into_bytes().into();
        delegate.del().unwrap();
    }

    #[test]
    fn large_requests_and_answers_do_not_deadlock() {
        let (_dir, mut delegate) = delegate("cat; exit 1");
        delegate.request = json!({"code": 7, "msg": "x".repeat(1 << 20)}).to_string().into_bytes().into();
        assert_eq!(delegate.del().unwrap_err().msg.len(), 1 << 20);
    }

    #[test]
    fn names_with_separators_and_unknown_names_are_refused() {
        for (plugin, msg) in
            [("a/b", "invalid plugin name"), ("absent", "failed to find plugin \"absent\" in path [/x /y]")]
        {
            let delegate = Delegate::new(plugin.into(), "/x:/y".into(), Vec::new().into(), Version::V1_0_0);
            assert!(delegate.del().unwrap_err().msg.starts_with(msg));
        }
    }
}
