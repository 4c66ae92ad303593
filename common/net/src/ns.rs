//! Network namespaces.

use std::{
    fs::{File, OpenOptions},
    marker::PhantomData,
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    panic,
    path::{Path, PathBuf},
    thread,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sched::{CloneFlags, setns},
    sys::statfs::{NSFS_MAGIC, fstatfs},
};

use crate::{Error, Result, Rtnl};

/// An open network namespace.
#[derive(Debug)]
pub struct Netns {
    file: File,
    path: PathBuf,
}

/// Proof that the current thread is in a chosen network namespace. It cannot leave its thread.
#[derive(Debug)]
pub struct Inside<'ns>(PhantomData<(&'ns Netns, *const ())>);

/// The process's own network namespace: no thread but those of [`Netns::enter`] is ever elsewhere.
pub const fn here() -> Inside<'static> {
    Inside(PhantomData)
}

impl Netns {
    /// Opens the namespace that `path` names.
    ///
    /// # Errors
    /// `ENOENT` if nothing is there, `EINVAL` if it is not a namespace: the mount point of one that has gone is an
    /// empty file.
    pub fn open(path: &Path) -> Result<Self> {
        let doing = || format!("open network namespace {}", path.display());
        // Not blocking: what is there may be a FIFO.
        let opened = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        let file = opened.map_err(|error| Error::io(doing(), &error))?;
        let kind = fstatfs(&file).map_err(|errno| Error::new(doing(), errno))?.filesystem_type();
        if kind != NSFS_MAGIC {
            return Err(Error {
                extack: Some("it is not a network namespace".into()),
                ..Error::new(doing(), Errno::EINVAL)
            });
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of its inode (namespaces(7)): no other namespace has it as long as this one is there.
    pub fn inode(&self) -> Result<u64> {
        let file = self.file.metadata();
        let doing = || format!("look at network namespace {}", self.path.display());
        file.map(|file| file.ino()).map_err(|error| Error::io(doing(), &error))
    }

    /// For messages that name a namespace by its descriptor (`IFLA_NET_NS_FD`).
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Runs `work` inside, on a thread of its own that never comes back out.
    pub fn enter<T: Send>(&self, work: impl FnOnce(&Inside<'_>) -> T + Send) -> Result<T> {
        let go = || {
            #[expect(clippy::disallowed_methods, reason = "the one place: the thread ends here")]
            setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET)
                .map_err(|errno| Error::new(format!("enter network namespace {}", self.path.display()), errno))?;
            Ok(work(&Inside(PhantomData)))
        };
        thread::scope(|scope| scope.spawn(go).join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    }

    /// A socket to the namespace, for a caller who stays outside.
    pub fn rtnl(&self) -> Result<Rtnl> {
        self.enter(Rtnl::open)?
    }
}
