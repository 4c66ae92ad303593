//! The directory of a network's leases, in the reference plugin's format: it may be at work in it at the same time.
//!
//! ```text
//! lock                 held (flock) by whoever reads or changes the rest
//! 10.1.0.5             a lease: <container ID>\r\n<interface>
//! last_reserved_ip.0   the address that range set 0 has handed out last
//! .boot_id             ours: the boot in which the leases were last looked at, see `boot`
//! .new                 ours: a file on its way to one of the names above
//! ```
//!
//! These files are the truth. Where to look among them is told by an index beside the directory: see `ledger`.
//!
//! The reference reads every file of the directory and compares its content with `<id>\r\n<interface>` and `<id>`. Ours
//! tolerate that: the record of the boot has a space, which no ID has, and a `.new` that a crash has left is at most
//! released together with the lease that it was going to be. Every command that takes the lock removes it.
//!
//! A crash can therefore leave a lease or none, never half of one. Nothing is synced to disk: what a power failure
//! loses belonged to containers that it ended.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, SystemTime},
};

use cni::{Attachment, Code, Error, Result};
use fs2::FileExt;
use nix::errno::Errno;

use crate::{
    file,
    lease::{self, Leases, Owner},
};

/// No file that anybody writes here is longer; of one that is, more need not be read.
const LONGEST: usize = 4096;

/// The directory, locked for as long as this lives.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    _lock: File,
}

impl Store {
    /// Locks the directory, which is made if it is not there.
    pub fn create(dir: &Path) -> Result<Self> {
        make(dir)?;
        Self::lock(dir)
    }

    /// Locks the directory, if there is one.
    pub fn open(dir: &Path) -> Result<Option<Self>> {
        match fs::metadata(dir) {
            Ok(file) if file.is_dir() => Self::lock(dir).map(Some),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(failed("look for", dir)(error)),
        }
    }

    /// Locks the directory for an undo, if there is one. Waits a second at most: an undo after a panic may run while this
    /// very process holds the lock.
    pub fn open_for_undo(dir: &Path) -> Result<Option<Self>> {
        let Ok(lock) = open_lock(&dir.join("lock")) else { return Ok(None) };
        for _ in 0..100 {
            if lock.try_lock_exclusive().is_ok() {
                return Self::locked(dir, lock).map(Some);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(Error::new(Code::Io, format!("lock {}: somebody holds it", dir.join("lock").display())))
    }

    fn lock(dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let lock = open_lock(&path).map_err(failed("open lock", &path))?;
        loop {
            match lock.lock_exclusive() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => break done.map_err(failed("lock", &path))?,
            }
        }
        Self::locked(dir, lock)
    }

    fn locked(dir: &Path, lock: File) -> Result<Self> {
        let store = Self { dir: dir.to_owned(), _lock: lock };
        remove(&store.path(".new"))?;
        Ok(store)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All leases. A file that cannot be read counts as a lease of somebody.
    pub fn leases(&self) -> Result<Leases> {
        Ok(self.addresses()?.into_iter().filter_map(|ip| Some((ip, self.owner(ip)?))).collect())
    }

    /// The addresses that have a file.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        let failed = failed("list leases in", &self.dir);
        let entries = fs::read_dir(&self.dir).map_err(&failed)?;
        let mut addresses = Vec::new();
        for entry in entries {
            addresses.extend(entry.map_err(&failed)?.file_name().to_str().and_then(address_of));
        }
        Ok(addresses)
    }

    /// Whose `ip` is, if there is a file for it. What fails for a moment (the host's memory, a disk's) must not turn an own
    /// lease into somebody's, which DEL leaves.
    pub fn owner(&self, ip: IpAddr) -> Option<Owner> {
        let path = self.lease(ip);
        let is_absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        let error = match read(&path).or_else(|_| read(&path)) {
            Ok(content) => return Some(Owner::parse(&content)),
            Err(error) => error,
        };
        if is_absent(&error) && fs::symlink_metadata(&path).is_err_and(|error| is_absent(&error)) {
            return None;
        }
        // A link that leads nowhere or in a circle, and what is no file, stays what it is.
        let is_odd = is_absent(&error)
            || error.kind() == ErrorKind::InvalidInput
            || error.raw_os_error() == Some(Errno::ELOOP as i32);
        Some(if is_odd { Owner::Stranger } else { Owner::Unread })
    }

    /// Makes a lease that was last modified at `modified`.
    ///
    /// # Errors
    /// Code 101 if there is one.
    pub fn reserve(&self, ip: IpAddr, attachment: &Attachment, modified: Option<SystemTime>) -> Result<()> {
        let path = self.lease(ip);
        let new = self.write_new(lease::content(attachment).as_bytes(), modified)?;
        let mut linked = give_name(&new, &path);
        if linked.as_ref().is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
            && self.owner(ip) == Some(Owner::Nobody)
        {
            remove(&path)?;
            linked = give_name(&new, &path);
        }
        remove(&new)?;
        linked.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::new(Code::InUse, format!("create lease {}: it exists", path.display())),
            _ => failed("create lease", &path)(error),
        })
    }

    /// Removes a lease; it may have gone already.
    pub fn release(&self, ip: IpAddr) -> Result<()> {
        remove(&self.lease(ip))
    }

    /// When a lease was last modified.
    pub fn modified(&self, ip: IpAddr) -> Option<SystemTime> {
        fs::metadata(self.lease(ip)).and_then(|file| file.modified()).ok()
    }

    /// Changes when a lease was last modified.
    pub fn set_modified(&self, ip: IpAddr, modified: SystemTime) -> Result<()> {
        let path = self.lease(ip);
        file::open_to_read(&path)
            .and_then(|file| file.set_modified(modified))
            .map_err(failed("set modification time of", &path))
    }

    /// The address that a range set has handed out last; none if the file is absent or junk.
    pub fn last_reserved(&self, set: usize) -> Option<IpAddr> {
        let content = read(&self.cursor(set)).ok()?;
        cni::parse_ip(std::str::from_utf8(&content).ok()?)
    }

    /// Remembers the address that a range set has handed out last; `None` forgets it.
    pub fn set_last_reserved(&self, set: usize, ip: Option<IpAddr>) -> Result<()> {
        match ip {
            Some(ip) => {
                let path = self.cursor(set);
                overwrite(&path, ip.to_string().as_bytes()).map_err(failed("write", &path))
            }
            None => remove(&self.cursor(set)),
        }
    }

    /// The record of the boot, whatever it says.
    pub fn boot_record(&self) -> Option<Vec<u8>> {
        read(&self.path(".boot_id")).ok()
    }

    /// Writes the record of the boot.
    pub fn set_boot_record(&self, record: &str) -> Result<()> {
        let path = self.path(".boot_id");
        let new = self.write_new(record.as_bytes(), None)?;
        fs::rename(&new, &path).map_err(failed("write", &path))
    }

    /// A new file under a name that is nobody's: it gets its own when it is whole.
    fn write_new(&self, content: &[u8], modified: Option<SystemTime>) -> Result<PathBuf> {
        let path = self.path(".new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(content)?;
            modified.map_or(Ok(()), |time| file.set_modified(time))
        };
        write().map_err(failed("write", &path)).inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        Ok(path)
    }

    fn lease(&self, ip: IpAddr) -> PathBuf {
        self.path(&ip.to_string())
    }

    fn cursor(&self, set: usize) -> PathBuf {
        self.path(&format!("last_reserved_ip.{set}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Fails with code 50 if leases could not be written into the directory. Runtimes ask again and again, from before the first
/// ADD on: whatever there is stays as it is, and nobody waits for the lock.
pub fn check_usable(dir: &Path) -> Result<()> {
    let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
    let path = dir.join("lock");
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(lock) => check_lock(&lock).map_err(failed("lock", &path)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => check_makes(dir),
        Err(error) => Err(failed("open lock", &path)(error)),
    }
    .map_err(not_ready)?;
    let space = fs2::available_space(existing(dir)).map_err(failed("look for space in", dir)).map_err(not_ready)?;
    if space == 0 {
        return Err(Error::new(Code::NotReady, format!("write leases in {}: no space left on device", dir.display())));
    }
    Ok(())
}

fn check_lock(lock: &File) -> io::Result<()> {
    lock.try_lock_exclusive().or_else(|error| if error.kind() == ErrorKind::WouldBlock { Ok(()) } else { Err(error) })
}

/// Whether something could be made in the directory, or where that would be made. Permissions alone do not tell, so
/// something is made and taken away at once; not the directory itself, which an ADD might already rely on.
fn check_makes(dir: &Path) -> Result<()> {
    let trial = existing(dir).join(format!(".status-{}", process::id()));
    match fs::create_dir(&trial) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed("create directory", dir)(error)),
        _ => {
            let _ = fs::remove_dir(&trial);
            Ok(())
        }
    }
}

/// The directory, or the nearest above it that there is.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|above| above.exists()).unwrap_or(dir)
}

fn make(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(failed("create directory", dir))
}

/// The reference opens it for reading only. For writing, a read-only file system is noticed here.
fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o750).open(path)
}

/// What a file begins with. One call: a regular file gives all that there is, and a directory may have many files.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut buffer = [0; LONGEST];
    let length = file::open_to_read(path)?.read(&mut buffer)?;
    Ok(buffer.iter().take(length).copied().collect())
}

/// Gives the file `new` a name that must be free. Not by rename(2), which replaces: the lock is no help if somebody has
/// removed its file under us. But some file systems have no links.
fn give_name(new: &Path, name: &Path) -> io::Result<()> {
    match fs::hard_link(new, name) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
            if fs::symlink_metadata(name).is_ok() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            fs::rename(new, name)
        }
        done => done,
    }
}

/// In place, which is ten times as fast as making a file. Killed half way it leaves a wrong address or none, which
/// matters little in the one place where this is used: the next round begins elsewhere.
fn overwrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = file::open(OpenOptions::new().write(true).create(true).truncate(false).mode(0o600), path)?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The address whose lease a file of this name is. Another spelling of an address is not one: the reference would not
/// find it either.
fn address_of(name: &str) -> Option<IpAddr> {
    cni::parse_ip(name).filter(|ip| ip.to_string() == name)
}

fn failed(what: &str, path: &Path) -> impl Fn(io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    move |error| Error::new(Code::Io, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests;
