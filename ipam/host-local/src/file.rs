//! Opening files where somebody may have put something else.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{errno::Errno, fcntl::OFlag};

/// Opens the regular file at `path` as `options` say.
///
/// Anything else is refused without waiting: the open of a FIFO, or the first read of a terminal, may never return, and
/// neither would whoever has started us.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let odd = || io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
    match options.custom_flags(OFlag::O_NONBLOCK.bits()).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(odd()),
        // A FIFO that nobody reads, or a socket (open(2)).
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => Err(odd()),
        Err(error) => Err(error),
    }
}

/// The same, to read it.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().read(true), path)
}
