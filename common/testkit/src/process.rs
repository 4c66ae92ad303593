//! Child processes with a time limit: the one place where this crate starts any.

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long output is awaited after the kill: only a process that left the group can still hold a pipe then.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// What a process left behind.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// It, or a process it started, was still running or still held its output at the limit, and was killed.
    pub(crate) timed_out: bool,
    /// The process group that was its own.
    pub(crate) group: Pid,
}

/// A command to configure and to hand to [`finish`].
#[expect(clippy::disallowed_methods, reason = "the programs under test and the machine's own tools")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Starts a command, feeds `input` to its stdin (when that is a pipe) and waits until it has ended and closed its output.
///
/// It gets a process group of its own, so that the kill at the limit reaches the processes it started too.
pub(crate) fn finish(command: &mut Command, input: Vec<u8>, limit: Duration) -> io::Result<Finished> {
    let deadline = Instant::now() + limit;
    let mut child = command.process_group(0).spawn()?;
    let group = Pid::from_raw(child.id().cast_signed());
    if let Some(mut stdin) = child.stdin.take() {
        // A process may end without reading its input: that is its choice, and shows in its status.
        thread::spawn(move || stdin.write_all(&input));
    }
    let mut stdout = Stream::of(child.stdout.take());
    let mut stderr = Stream::of(child.stderr.take());
    let in_time = stdout.ends_by(deadline) && stderr.ends_by(deadline) && exits_by(&mut child, deadline)?;
    if !in_time {
        // Not there any more: then only strangers to the group hold the output.
        let _ = killpg(group, Signal::SIGKILL);
        child.kill()?;
        let grace = Instant::now() + AFTER_KILL;
        let _ = stdout.ends_by(grace) && stderr.ends_by(grace);
    }
    Ok(Finished { status: child.wait()?, stdout: stdout.bytes, stderr: stderr.bytes, timed_out: !in_time, group })
}

/// Waits until nothing in a process group runs any more. At the limit (false) it is killed.
pub(crate) fn finish_group(group: Pid, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while runs(group) {
        if Instant::now() > deadline {
            let _ = killpg(group, Signal::SIGKILL);
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Who has ended stays a member until its parent asks, and the first process of a container may never do so.
fn runs(group: Pid) -> bool {
    let processes = || fs::read_dir("/proc").into_iter().flatten().flatten();
    killpg(group, None) != Err(Errno::ESRCH) && processes().any(|process| runs_in(group, &process.path()))
}

/// Whether the directory, of `/proc`, is of a process that is in the group, and no zombie.
fn runs_in(group: Pid, process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    // `PID (NAME) STATE PARENT GROUP ...`, where a name may have anything in it.
    let mut fields = stat.rsplit_once(')').unwrap_or_default().1.split_whitespace();
    let (state, own) = (fields.next(), fields.nth(1));
    own.and_then(|own| own.parse().ok()) == Some(group.as_raw()) && !matches!(state, Some("Z" | "X"))
}

fn exits_by(child: &mut Child, deadline: Instant) -> io::Result<bool> {
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            return Ok(false);
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(true)
}

/// What arrives on a pipe, read by a thread so that neither stdout nor stderr can fill up unseen.
struct Stream {
    chunks: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
}

impl Stream {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (sender, chunks) = channel();
        if let Some(mut pipe) = pipe {
            thread::spawn(move || {
                let mut chunk = vec![0; 16 * 1024];
                while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                    if sender.send(chunk.iter().take(length).copied().collect()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { chunks, bytes: Vec::new() }
    }

    /// Takes what arrives until the end (true) or the deadline (false).
    fn ends_by(&mut self, deadline: Instant) -> bool {
        loop {
            match self.chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.bytes.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn shell(script: &str, input: &[u8], limit: Duration) -> Finished {
        let mut sh = command("/bin/sh");
        sh.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(&mut sh, input.to_vec(), limit).unwrap()
    }

    #[test]
    fn input_larger_than_a_pipe_comes_back_whole() {
        let input = vec![b'x'; 1 << 20];
        let done = shell("cat; echo done >&2", &input, Duration::from_secs(20));
        assert!(!done.timed_out && done.status.success());
        assert_eq!(done.stdout, input);
        assert_eq!(done.stderr, b"done\n");
    }

    #[test]
    fn a_grandchild_that_holds_stdout_is_killed_at_the_limit() {
        let start = Instant::now();
        let done = shell("echo early; sleep 60 & exit 0", b"", Duration::from_millis(300));
        assert!(done.timed_out);
        assert_eq!(done.stdout, b"early\n");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_process_outside_the_group_cannot_hang_the_runner() {
        let done = shell("setsid sleep 2 & exit 0", b"", Duration::from_millis(200));
        assert!(done.timed_out);
    }

    #[test]
    fn a_process_that_closed_its_output_and_stays_is_killed_at_the_limit() {
        let start = Instant::now();
        assert!(shell("exec >&- 2>&-; sleep 60", b"", Duration::from_millis(200)).timed_out);
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn the_rest_of_a_group_is_awaited() {
        let done = shell("sleep 0.3 >&- 2>&- & exit 0", b"", Duration::from_secs(20));
        assert!(!done.timed_out);
        assert!(finish_group(done.group, Duration::from_secs(20)));
        assert!(!runs(done.group));
    }

    #[test]
    fn the_rest_of_a_group_is_killed_at_the_limit() {
        let done = shell("sleep 60 >&- 2>&- & exit 0", b"", Duration::from_secs(20));
        assert!(!done.timed_out && runs(done.group));
        assert!(!finish_group(done.group, Duration::from_millis(100)));
        assert!(finish_group(done.group, Duration::from_secs(20)));
    }

    #[test]
    fn a_process_that_closed_its_output_is_still_awaited() {
        let done = shell("exec >&- 2>&-; sleep 0.2; exit 3", b"", Duration::from_secs(20));
        assert_eq!((done.timed_out, done.status.code()), (false, Some(3)));
    }
}
