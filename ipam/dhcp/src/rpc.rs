//! What plugin and daemon say to each other: one line of JSON each way, over the daemon's socket, and one in between that tells the
//! plugin how long to wait.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use cni::{Attachment, Code, Error, Success};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{key::Key, plan::Wanted};

/// The number of this protocol. A plugin and a daemon of different numbers do not understand each other.
pub const PROTOCOL: u32 = 1;

/// No line is longer: GC names all attachments of a network.
const LONGEST: u64 = 16 << 20;

/// What a plugin says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// [`PROTOCOL`].
    pub mooring: u32,
    /// What it wants.
    pub ask: Ask,
}

/// What a plugin wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// Leases for an interface.
    Acquire {
        /// Whose.
        key: Key,
        /// `CNI_NETNS`.
        netns: PathBuf,
        /// Which.
        wanted: Wanted,
    },
    /// The end of an attachment's leases.
    Release {
        /// Whose.
        key: Key,
    },
    /// An attachment's leases, if it has them.
    Check {
        /// Whose.
        key: Key,
    },
    /// The end of the leases of all other attachments of a network.
    Gc {
        /// The network.
        network: String,
        /// Pairs of container ID and interface.
        keep: Vec<(String, String)>,
    },
    /// Whether the daemon answers.
    Status,
}

/// What the daemon says at once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Greeting {
    /// [`PROTOCOL`].
    pub mooring: u32,
    /// After how many seconds at the latest there is an answer.
    pub patience: u64,
}

/// What the daemon says in the end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It is done.
    Done,
    /// The leases.
    Leases {
        /// As a result.
        success: Success,
        /// Whether they were got for this call.
        fresh: bool,
    },
    /// It went wrong.
    Failed {
        /// The code.
        code: u32,
        /// In one line.
        msg: String,
        /// More of it.
        details: String,
    },
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Self::Failed { code: error.code.number(), msg: error.msg, details: error.details }
    }
}

impl Answer {
    /// The leases, or nothing, or what went wrong.
    pub fn into_result(self) -> cni::Result<Option<(Success, bool)>> {
        match self {
            Self::Done => Ok(None),
            Self::Leases { success, fresh } => Ok(Some((success, fresh))),
            Self::Failed { code, msg, details } => Err(Error::new(Code::Other(code), msg).details(details)),
        }
    }
}

impl Ask {
    /// The attachments that stay, as they are sent.
    pub fn gc(network: &str, keep: impl IntoIterator<Item = Attachment>) -> Self {
        let pair = |Attachment { container_id, ifname }| (container_id, ifname);
        Self::Gc { network: network.to_owned(), keep: keep.into_iter().map(pair).collect() }
    }
}

/// Lines on a connection.
#[derive(Debug)]
pub struct Lines {
    reader: BufReader<UnixStream>,
}

impl Lines {
    /// On this connection.
    pub fn new(stream: UnixStream) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The connection.
    pub fn stream(&self) -> &UnixStream {
        self.reader.get_ref()
    }

    /// Writes one line, within `limit`.
    pub fn write(&self, line: &impl Serialize, limit: Duration) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        let mut stream = self.stream();
        stream.set_write_timeout(Some(limit))?;
        stream.write_all(&text)
    }

    /// Reads one line, within `limit`; the text without its end. Nothing is an error.
    pub fn read_text(&mut self, limit: Duration) -> io::Result<String> {
        let deadline = Instant::now() + limit;
        let mut line = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream().set_read_timeout(Some(left))?;
            let more = LONGEST.saturating_sub(line.len() as u64);
            match self.reader.by_ref().take(more).read_until(b'\n', &mut line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
                Ok(_) if line.ends_with(b"\n") => break,
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        line.pop();
        String::from_utf8(line).map_err(io::Error::other)
    }

    /// Reads one line of JSON, within `limit`.
    pub fn read<T: DeserializeOwned>(&mut self, limit: Duration) -> io::Result<T> {
        serde_json::from_str(&self.read_text(limit)?).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_and_silence_ends() {
        let (one, other) = UnixStream::pair().unwrap();
        let (one, mut other) = (Lines::new(one), Lines::new(other));
        let second = Duration::from_secs(1);
        one.write(&Call { mooring: PROTOCOL, ask: Ask::Status }, second).unwrap();
        one.write(&Answer::from(Error::invalid("no").details("more")), second).unwrap();
        let call: Call = other.read(second).unwrap();
        assert!(matches!(call.ask, Ask::Status));
        let error = other.read::<Answer>(second).unwrap().into_result().unwrap_err();
        assert_eq!((error.code.number(), error.msg.as_str(), error.details.as_str()), (7, "no", "more"));
        let silence = other.read_text(Duration::from_millis(20)).unwrap_err();
        assert_eq!(silence.kind(), io::ErrorKind::TimedOut);
        one.stream().write_all(b"half").unwrap();
        drop(one);
        assert_eq!(other.read_text(second).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
