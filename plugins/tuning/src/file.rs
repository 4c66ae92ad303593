//! Opening files where somebody may have put something else.

use std::{
    fs::OpenOptions,
    io::{self, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{errno::Errno, fcntl::OFlag};

/// No file that belongs here is longer.
const LONGEST: u64 = 1 << 20;

/// Whether a symbolic link in a file's place is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It may be one: administrators, and Kubernetes, put files in place like that.
    Follow,
    /// It is not ours.
    Refuse,
}

/// The content of the regular file at `path`. Anything else is refused without waiting: a FIFO may never open.
pub fn read(path: &Path, links: Links) -> io::Result<Vec<u8>> {
    let flags = if links == Links::Follow { OFlag::O_NONBLOCK } else { OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW };
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.len() > LONGEST {
        let why = if about.is_file() { "it is longer than 1 MiB" } else { "it is not a regular file" };
        return Err(io::Error::new(ErrorKind::InvalidData, why));
    }
    let mut content = Vec::new();
    file.take(LONGEST).read_to_end(&mut content)?;
    Ok(content)
}

/// Whether an error of [`read`] says that there is nothing at a path, or nothing that could be ours: a directory that is a
/// file, a link, a FIFO, a socket, a path that cannot be.
pub fn is_nothing(error: &io::Error) -> bool {
    const NOTHING: [Errno; 6] =
        [Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP, Errno::ENXIO, Errno::ENODEV, Errno::ENAMETOOLONG];
    match error.raw_os_error() {
        Some(number) => NOTHING.contains(&Errno::from_raw(number)),
        None => matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput),
    }
}
