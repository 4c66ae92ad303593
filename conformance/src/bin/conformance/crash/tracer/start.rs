//! Starts a program so that nothing of it has run when the tracer has it.

use super::Program;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

/// A shell stops itself, and becomes the program when it goes on. (`PTRACE_TRACEME` in the child would need code between
/// fork and exec, which Rust counts as unsafe.)
const STOPPED: &str = r#"kill -STOP $$; exec "$@""#;

/// A traced shell, about to become the program.
#[derive(Debug)]
pub struct Started {
    /// Its process, which will be the program's.
    pub pid: Pid,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

impl Started {
    /// What it printed: waits until every process that could print has ended.
    pub fn output(self) -> (Vec<u8>, Vec<u8>) {
        (self.stdout.join().unwrap_or_default(), self.stderr.join().unwrap_or_default())
    }
}

/// Starts the program, traced by the calling thread.
pub fn start(program: &Program) -> io::Result<Started> {
    // The shell's own refusal would have to be told from one of the program.
    if !program.path.is_file() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{}: no such program", program.path.display())));
    }
    let mut child = spawn(program)?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = program.stdin.clone();
        // A program may end without reading its input.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let started = Started {
        pid: Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?),
        stdout: read(child.stdout.take()),
        stderr: read(child.stderr.take()),
    };
    if let Err(e) = seize(started.pid) {
        let _ = kill(started.pid, Signal::SIGKILL);
        return Err(e);
    }
    Ok(started)
}

#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn spawn(program: &Program) -> io::Result<Child> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", STOPPED, "sh"]).arg(&program.path).env_clear().envs(&program.env).process_group(0);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn seize(pid: Pid) -> io::Result<()> {
    match waitpid(pid, Some(WaitPidFlag::WUNTRACED))? {
        WaitStatus::Stopped(_, _) => {}
        ended => return Err(io::Error::other(format!("/bin/sh did not stop itself: {ended:?}"))),
    }
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(pid, options)
        .map_err(|e| io::Error::other(format!("trace a process: {e}; is ptrace allowed here?")))?;
    Ok(kill(pid, Signal::SIGCONT)?)
}

fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error counts.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}
