//! The plugin's side of the conversation with the daemon.

use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use cni::{Code, Error, Result};
use nix::sys::{
    socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt},
    time::TimeVal,
};

use crate::rpc::{Answer, Ask, Call, Greeting, Lines, PROTOCOL};

/// How long an ADD waits until the daemon says something: systemd may have to start it first.
pub const PATIENT: Duration = Duration::from_secs(30);
/// The same for who has something else to do without it, or only wants to know whether it is there.
pub const BRIEF: Duration = Duration::from_secs(5);
/// How much longer an answer is awaited than the daemon says that it takes.
const SLACK: Duration = Duration::from_secs(5);

/// Asks the daemon. Waits for `limit` until it says something, and then as long as it says.
///
/// # Errors
/// Code 11 if it does not answer. What it answers may be a failure, too.
pub fn ask(path: &Path, ask: Ask, limit: Duration) -> Result<Answer> {
    let failed = |why: String| Error::new(Code::TryAgain, format!("ask daemon at {}: {why}", path.display()));
    let stream = connect_within(path, limit).map_err(|error| {
        failed(format!("{error}")).details("error dialing DHCP daemon: it is started by \"dhcp daemon\"")
    })?;
    let mut lines = Lines::new(stream);
    let call = Call { mooring: PROTOCOL, ask };
    lines.write(&call, limit).map_err(|error| failed(error.to_string()))?;
    let first = lines.read_text(limit).map_err(|error| failed(no_answer(&error)))?;
    let greeting = serde_json::from_str::<Greeting>(&first).ok().filter(|greeting| greeting.mooring == PROTOCOL);
    let Some(greeting) = greeting else {
        let said: String = first.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(failed("it is another one than this plugin's, both have to be exchanged together".into())
            .details(format!("it says: {said}")));
    };
    let patience = Duration::from_secs(greeting.patience.min(3600)) + SLACK;
    lines.read(patience).map_err(|error| failed(no_answer(&error)))
}

fn no_answer(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "it does not answer".into(),
        io::ErrorKind::UnexpectedEof => "it has ended the conversation".into(),
        _ => error.to_string(),
    }
}

/// A daemon that hangs lets connections pile up, and then connecting takes as long as it hangs.
fn connect_within(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(seconds, 0))?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        os::unix::net::UnixListener,
        path::PathBuf,
        thread,
    };

    use super::*;

    /// A daemon that answers one call with these lines.
    fn daemon(answer: &'static str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        (dir, path)
    }

    fn refusal(path: &Path) -> Error {
        ask(path, Ask::Status, Duration::from_secs(1)).unwrap_err()
    }

    #[test]
    fn an_answer_is_awaited_as_long_as_the_daemon_says() {
        let (_dir, path) = daemon("{\"mooring\":1,\"patience\":0}\n\"done\"\n");
        assert!(matches!(ask(&path, Ask::Status, Duration::from_secs(1)), Ok(Answer::Done)));
    }

    #[test]
    fn the_references_daemon_is_told_in_a_sentence() {
        for strange in ["HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "{\"mooring\":2,\"patience\":0}\n"] {
            let (_dir, path) = daemon(strange);
            let error = refusal(&path);
            assert_eq!(error.code, Code::TryAgain);
            assert!(error.msg.ends_with("both have to be exchanged together"), "{error}");
        }
    }

    #[test]
    fn daemons_that_are_not_there_or_say_nothing_are_told() {
        let (_dir, path) = daemon("");
        assert!(refusal(&path).msg.ends_with("it has ended the conversation"));
        fs_remove(&path);
        assert!(refusal(&path).msg.contains("No such file"));
        let dir = tempfile::tempdir().unwrap();
        let silent = dir.path().join("sock");
        let _listener = UnixListener::bind(&silent).unwrap();
        assert!(refusal(&silent).msg.ends_with("it does not answer"));
    }

    #[test]
    fn a_daemon_that_hangs_does_not_hang_who_connects() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        let second = Duration::from_secs(1);
        let full = loop {
            match connect_within(&path, second) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100_000);
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    fn fs_remove(path: &Path) {
        std::fs::remove_file(path).unwrap();
    }
}
