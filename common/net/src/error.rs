//! What the kernel refused.

use std::{fmt, io};

use nix::errno::Errno;

/// An operation that the kernel refused, and what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Verb and object: `create veth "eth0" in /run/netns/x`.
    pub doing: String,
    /// The kernel's reason.
    pub errno: Errno,
    /// The kernel's explanation, where it gave one (extended acknowledgement, Documentation/userspace-api/netlink).
    pub extack: Option<String>,
}

/// A result with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `doing` failed for `errno`.
    pub fn new(doing: impl Into<String>, errno: Errno) -> Self {
        Self { doing: doing.into(), errno, extack: None }
    }

    /// `doing` failed for the reason in `error`.
    pub fn io(doing: impl Into<String>, error: &io::Error) -> Self {
        Self::new(doing, error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }

    /// Whether the object exists already.
    pub fn is_exists(&self) -> bool {
        self.errno == Errno::EEXIST
    }

    /// Whether the object, or the link that it would belong to, does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno, Errno::ENOENT | Errno::ENODEV | Errno::ESRCH | Errno::EADDRNOTAVAIL)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({:?})", self.doing, self.errno.desc(), self.errno)
    }
}

impl std::error::Error for Error {}
