//! The mark on a directory that shows whether an entry has come or gone since.
//!
//! Kernel timestamps are too coarse to compare (two changes within a tick look the same), so none is compared with
//! another: the directory's modification time is *set*, to the second that it is and a random fraction of it. Whoever
//! makes or removes an entry has the kernel overwrite it with the time of the status change, which nobody can set. So
//! as long as both are as they were, and differ, there was no entry made or removed; whatever the clock did meanwhile.

use std::{
    fmt,
    fs::{File, FileTimes},
    hash::{BuildHasher, RandomState},
    io,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A directory as it was when it was marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Marked {
    /// The directory as it is, if it can be one that was marked.
    pub fn of(dir: &File) -> io::Result<Option<Self>> {
        let found = dir.metadata()?;
        let modified = (found.mtime(), found.mtime_nsec());
        let changed = (found.ctime(), found.ctime_nsec());
        Ok((modified != changed).then_some(Self { device: found.dev(), inode: found.ino(), modified, changed }))
    }

    /// Marks the directory; none if its file system does not keep the mark.
    pub fn mark(dir: &File) -> io::Result<Option<Self>> {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Not 0, which file systems make of what they do not keep.
        let fraction = RandomState::new().hash_one(second) % 999_999_999 + 1;
        let mark = UNIX_EPOCH + Duration::from_secs(second) + Duration::from_nanos(fraction);
        dir.set_times(FileTimes::new().set_modified(mark))?;
        let kept = dir.metadata()?.modified()? == mark;
        Ok(Self::of(dir)?.filter(|_| kept))
    }

    /// A number for this directory, by which pages know theirs.
    pub fn salt(dir: &File) -> io::Result<u64> {
        let found = dir.metadata()?;
        Ok(found.dev().rotate_left(32) ^ found.ino())
    }
}

/// What the header of an index says of it.
impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, inode, modified, changed } = self;
        writeln!(f, "directory {device} {inode}")?;
        writeln!(f, "modified {}.{:09}", modified.0, modified.1)?;
        writeln!(f, "changed {}.{:09}", changed.0, changed.1)
    }
}
