//! Running one executable: input, output and a limit of time.

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// How long to wait for output between two looks at the process.
const PAUSE: Duration = Duration::from_millis(2);

/// How long to wait between two looks at a process that has closed its output: most often it is about to end.
const SHORT_PAUSE: Duration = Duration::from_micros(100);

/// How long output is awaited after the end of a process: what it left behind in the background may hold its pipes for ever.
const GRACE: Duration = Duration::from_secs(2);

/// While an executable is being written, starting it fails with ETXTBSY. So often, and [`BUSY_PAUSE`] apart, it is tried
/// again: 5 seconds in all, as libcni does.
const BUSY_TRIES: u32 = 50;

const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// What a process left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to stdout.
    pub stdout: Vec<u8>,
    /// All that it wrote to stderr.
    pub stderr: Vec<u8>,
    /// It reached the limit of time and was killed.
    pub timed_out: bool,
}

/// Runs `program` with our environment and `env` on top, feeds `stdin` to it and waits for its end, at most for `limit`.
///
/// It gets a process group of its own. At the limit the group is killed, so that the delegates go with the plugin.
///
/// # Errors
/// It cannot be started. How it ends, whatever the way, is not an error.
pub fn run(program: &Path, env: &[(&str, &OsStr)], stdin: &[u8], limit: Option<Duration>) -> io::Result<Finished> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut child = start(program, env)?;
    let output = channel();
    read(child.stdout.take(), Chunk::Stdout, &output.0);
    read(child.stderr.take(), Chunk::Stderr, &output.0);
    drop(output.0);
    write(&mut child, stdin);
    collect(child, &output.1, deadline)
}

#[expect(clippy::disallowed_methods, reason = "a runtime's work is to run plugins; this is the one place")]
fn start(program: &Path, env: &[(&str, &OsStr)]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.envs(env.iter().copied()).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tries = BUSY_TRIES;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries > 0 => {
                tries -= 1;
                thread::sleep(BUSY_PAUSE);
            }
            started => return started,
        }
    }
}

enum Chunk {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

/// Sends on what arrives, from a thread: with two pipes, reading one to its end first could block the process on the other.
fn read(pipe: Option<impl Read + Send + 'static>, chunk: fn(Vec<u8>) -> Chunk, to: &Sender<Chunk>) {
    let (Some(mut pipe), to) = (pipe, to.clone()) else { return };
    thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            let read = buffer.get(..length).unwrap_or_default().to_vec();
            if to.send(chunk(read)).is_err() {
                return;
            }
        }
    });
}

fn write(child: &mut Child, stdin: &[u8]) {
    if let Some(mut pipe) = child.stdin.take() {
        let stdin = stdin.to_vec();
        // A plugin may answer without reading its stdin (VERSION, wrong environment): a broken pipe is no failure. The pipe
        // is closed at the end of the thread.
        thread::spawn(move || pipe.write_all(&stdin));
    }
}

fn collect(mut child: Child, output: &Receiver<Chunk>, deadline: Option<Instant>) -> io::Result<Finished> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut ended: Option<Instant> = None;
    let mut open = true;
    let mut timed_out = false;
    while open || ended.is_none() {
        match output.recv_timeout(PAUSE) {
            Ok(Chunk::Stdout(chunk)) => stdout.extend(chunk),
            Ok(Chunk::Stderr(chunk)) => stderr.extend(chunk),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                open = false;
                match deadline {
                    None => drop(child.wait()?),
                    Some(_) => thread::sleep(SHORT_PAUSE),
                }
            }
        }
        if ended.is_none() && child.try_wait()?.is_some() {
            ended = Some(Instant::now());
        }
        if ended.is_none() && !timed_out && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            timed_out = true;
            kill_group(&mut child)?;
        }
        if ended.is_some_and(|ended| ended.elapsed() > GRACE) {
            break;
        }
    }
    Ok(Finished { status: child.wait()?, stdout, stderr, timed_out })
}

fn kill_group(child: &mut Child) -> io::Result<()> {
    if let Ok(group) = i32::try_from(child.id()) {
        // The group is there as long as we have not waited for its leader; should the kill fail, the one below counts.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    child.kill()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};
    use tempfile::TempDir;

    fn script(dir: &TempDir, body: &str) -> PathBuf {
        let path = dir.path().join("plugin");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn shell(body: &str, stdin: &[u8], limit: Option<Duration>) -> Finished {
        let dir = tempfile::tempdir().unwrap();
        run(&script(&dir, body), &[("X", OsStr::new("set"))], stdin, limit).unwrap()
    }

    #[test]
    fn input_larger_than_a_pipe_comes_back_whole() {
        let input = vec![b'x'; 1 << 20];
        let done = shell("cat; echo done >&2", &input, None);
        assert!(done.status.success() && !done.timed_out);
        assert!(done.stdout == input);
        assert_eq!(done.stderr, b"done\n");
    }

    #[test]
    fn input_that_nobody_reads_is_no_failure() {
        assert!(shell("exit 0", &vec![b'x'; 1 << 20], None).status.success());
    }

    #[test]
    fn environment_is_ours_and_the_given_one() {
        let done = shell("echo $X ${PATH:+inherited}", b"", None);
        assert_eq!(done.stdout, b"set inherited\n");
    }

    #[test]
    fn process_and_its_children_are_killed_at_the_limit() {
        let start = Instant::now();
        let done = shell("echo early; sleep 60 & sleep 60", b"", Some(Duration::from_millis(200)));
        assert!(done.timed_out && !done.status.success());
        assert_eq!(done.stdout, b"early\n");
        assert!(start.elapsed() < GRACE, "the child in the background still holds the pipe");
    }

    #[test]
    fn process_in_the_background_does_not_hold_the_answer() {
        let start = Instant::now();
        let done = shell("echo answer; sleep 30 & exit 0", b"", None);
        assert!(done.status.success() && !done.timed_out);
        assert_eq!(done.stdout, b"answer\n");
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn process_that_closed_its_output_is_awaited() {
        let done = shell("exec >&- 2>&-; sleep 0.2; exit 3", b"", Some(Duration::from_secs(20)));
        assert_eq!((done.status.code(), done.timed_out), (Some(3), false));
    }

    #[test]
    fn executable_that_is_being_written_is_awaited() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plugin");
        fs::copy("/bin/true", &path).unwrap();
        let writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(run_raw(&path), Some(io::ErrorKind::ExecutableFileBusy));
        let release = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            drop(writer);
        });
        assert!(run(&path, &[], b"", None).unwrap().status.success());
        release.join().unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "proves that the file is busy without the retry")]
    fn run_raw(path: &Path) -> Option<io::ErrorKind> {
        Command::new(path).status().err().map(|error| error.kind())
    }

    #[test]
    fn missing_executable_is_an_error() {
        let error = run(Path::new("/nonexistent/plugin"), &[], b"", None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
