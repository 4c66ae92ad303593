//! The directory of records, beside the daemon's socket: who knows the one knows the other, and two daemons never share leases.
//!
//! A record is there as long as the lease is somebody's. DEL and GC take it away, with the daemon or without; the daemon keeps no
//! lease without one. Where the socket is by default the directory goes at a reboot, which containers do not survive either.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use cni::{Code, Error, Result};
use nix::fcntl::OFlag;

use crate::{
    key::{Key, network_stem},
    record::Record,
};

/// No record is longer.
const LONGEST: u64 = 1 << 20;

/// A directory of records.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// A record on disk.
#[derive(Debug)]
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// What it says; nothing if that cannot be read.
    pub record: Option<Record>,
}

impl Found {
    /// Whether it belongs to an attachment of one of these names.
    pub fn is_one_of(&self, stems: &[String]) -> bool {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        stems.iter().any(|kept| *kept == stem)
    }

    /// Takes it away.
    pub fn remove(&self) -> Result<()> {
        unlink(&self.path).map_err(failed("remove", &self.path))
    }
}

impl Store {
    /// That of the daemon with this socket.
    pub fn beside(socket: &Path) -> Self {
        let mut dir = socket.as_os_str().to_owned();
        dir.push(".leases");
        Self { dir: dir.into() }
    }

    /// Makes the directory and locks it for as long as the lock lives. Code 101 if a daemon has done so.
    pub fn lock(&self) -> Result<File> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(failed("create directory", &self.dir))?;
        let path = self.dir.join("lock");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = options.map_err(failed("open lock", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Code::InUse, format!("lock {}: a daemon has it already", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    /// Writes a record, whole or not at all.
    pub fn write(&self, record: &Record) -> Result<()> {
        let stem = record.key.stem();
        let (new, path) = (self.dir.join(format!(".{stem}.new")), self.path(&record.key));
        let content = serde_json::to_vec(record)
            .map_err(|error| Error::new(Code::Internal, format!("write {}: {error}", path.display())))?;
        let write = || {
            unlink(&new)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.write_all(&content)?;
            fs::rename(&new, &path)
        };
        write().map_err(failed("write", &path)).inspect_err(|_| drop(unlink(&new)))
    }

    /// The record of an attachment, if there is a file for it.
    pub fn find(&self, key: &Key) -> Option<Found> {
        let path = self.path(key);
        fs::symlink_metadata(&path).ok()?;
        Some(Found { record: read(&path), path })
    }

    /// Whether there is a file for an attachment. What cannot be told counts as one.
    pub fn has(&self, key: &Key) -> bool {
        fs::symlink_metadata(self.path(key)).map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true)
    }

    /// Takes the record of an attachment away, and what a crash may have left of a new one.
    pub fn remove(&self, key: &Key) -> Result<()> {
        let new = self.dir.join(format!(".{}.new", key.stem()));
        let path = self.path(key);
        Error::collect([&new, &path].map(|path| unlink(path).map_err(failed("remove", path))))
    }

    /// All records, or those of a network.
    pub fn list(&self, network: Option<&str>) -> Result<Vec<Found>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            entries => entries.map_err(failed("list", &self.dir))?,
        };
        let prefix = network.map(network_stem).unwrap_or_default();
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed("list", &self.dir))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(&prefix) && path.extension() == Some("json".as_ref()) {
                all.push(Found { record: read(&path), path });
            }
        }
        Ok(all)
    }

    /// Takes away what a crash has left half written. Only the daemon writes.
    pub fn remove_leftovers(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.path().extension() == Some("new".as_ref()) {
                drop(unlink(&entry.path()));
            }
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{}.json", key.stem()))
    }
}

/// What a file says; nothing if it is not a record that can be used.
fn read(path: &Path) -> Option<Record> {
    let content = || -> io::Result<Vec<u8>> {
        // Not blocking: what is there may be a FIFO.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        let mut content = Vec::new();
        let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
        file.take(LONGEST).read_to_end(&mut content)?;
        Ok(content)
    };
    let record = content().map_err(|error| error.to_string());
    let record =
        record.and_then(|content| serde_json::from_slice::<Record>(&content).map_err(|error| error.to_string()));
    match record {
        Ok(record) if record.is_current() => Some(record),
        Ok(_) => None,
        Err(error) => {
            log::warn!("read {}: {error}", path.display());
            None
        }
    }
}

/// Removes a file; none is fine, and a directory in its place is nobody's that we know.
fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory) =>
        {
            Ok(())
        }
        done => done,
    }
}

fn failed(what: &str, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let what = format!("{what} {}", path.display());
    move |error| Error::new(Code::Io, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use cni::Attachment;

    use super::*;
    use crate::{
        interface::Identity,
        plan::{Wanted, Wanted4},
    };

    fn key(network: &str, id: &str) -> Key {
        Key::new(network, &Attachment { container_id: id.into(), ifname: "eth0".into() })
    }

    fn record(network: &str, id: &str) -> Record {
        let wanted = Wanted { v4: Some(Wanted4::default()), v6: None, priority: None };
        let interface = Identity { netns: 7, link: 2, mac: [2; 6] };
        Record::new(key(network, id), "/run/netns/c".into(), interface, wanted)
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::beside(&dir.path().join("x.sock"));
        (dir, store)
    }

    #[test]
    fn records_come_back_until_they_are_removed() {
        let (_dir, store) = store();
        assert!(store.list(None).unwrap().is_empty() && !store.has(&key("net", "c1")));
        store.remove(&key("net", "c1")).unwrap();
        let _lock = store.lock().unwrap();
        for record in [record("net", "c1"), record("net", "c2"), record("other", "c1")] {
            store.write(&record).unwrap();
            assert_eq!(store.find(&record.key).unwrap().record, Some(record));
        }
        assert_eq!((store.list(None).unwrap().len(), store.list(Some("net")).unwrap().len()), (3, 2));
        store.remove(&key("net", "c1")).unwrap();
        assert!(store.find(&key("net", "c1")).is_none() && store.has(&key("net", "c2")));
    }

    #[test]
    fn one_daemon_has_the_lock() {
        let (_dir, store) = store();
        let lock = store.lock().unwrap();
        assert_eq!(store.lock().unwrap_err().code, Code::InUse);
        drop(lock);
        store.lock().unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_found_without_a_record() {
        let (_dir, store) = store();
        let _lock = store.lock().unwrap();
        let whole = serde_json::to_string(&record("net", "c1")).unwrap();
        let earlier = whole.replace(&boot_id(), "another boot");
        for junk in ["", "{", "[]", &whole[..whole.len() / 2], &earlier, &whole.replace("\"layout\":1", "\"layout\":9")]
        {
            fs::write(store.path(&key("net", "c1")), junk).unwrap();
            assert!(store.find(&key("net", "c1")).unwrap().record.is_none(), "{junk}");
            assert_eq!(store.list(Some("net")).unwrap().len(), 1);
        }
        store.list(None).unwrap()[0].remove().unwrap();
        fs::write(store.dir.join(".x.new"), "").unwrap();
        store.remove_leftovers();
        assert_eq!(fs::read_dir(store.dir).unwrap().count(), 1, "the lock");
    }

    fn boot_id() -> String {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
    }
}
