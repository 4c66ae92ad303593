//! The files that remember what was there before: one for each attachment, where and how the reference has them.
//!
//! A file is written whole before anything is changed, under a name that tells whose it is even if a crash leaves it there:
//! `.<owner>.new`, with the owner's hashes as in the tags of links and firewall elements.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use attach::{Owner, network_hash, tag_prefix};
use cni::{Attachment, Code, Error, Result, Undo, json};
use nix::unistd::{AccessFlags, access};

use crate::{
    file::{self, Links},
    record::{Record, Whose},
};

/// The longest name of a file (`NAME_MAX`, `limits.h`).
const NAME_MAX: usize = 255;

/// The file of an attachment.
#[derive(Debug, Clone)]
pub struct Backup {
    path: PathBuf,
    new: PathBuf,
}

impl Backup {
    /// The attachment's file in `dir`, and what it says; nothing if there is no file, or not one of ours or the
    /// reference's.
    ///
    /// The reference's name for it tells neither networks apart nor `a_b` and `c` from `a` and `b_c`, and may be longer than
    /// file systems allow. Where it is another's, or none, the file has a name of our own.
    pub fn find(dir: &Path, owner: &Owner, network: &str) -> Result<(Self, Option<Record>)> {
        let Attachment { container_id, ifname } = owner.attachment();
        let new = dir.join(temporary(&owner.prefix()));
        let usual = Self { path: dir.join(format!("{container_id}_{ifname}.json")), new: new.clone() };
        let unusual = Self { path: dir.join(format!("{}.json", owner.prefix())), new };
        let known = usual.read()?;
        let whose = known.as_ref().map(|record| record.whose(network, owner.attachment()));
        if whose == Some(Whose::Own) {
            return Ok((usual, known));
        }
        let known_too = unusual.read()?;
        if whose == Some(Whose::Other) || known_too.is_some() || container_id.len() + ifname.len() + 6 > NAME_MAX {
            return Ok((unusual, known_too));
        }
        Ok((usual, known))
    }

    fn read(&self) -> Result<Option<Record>> {
        // What fails for a moment must not look like an attachment that has nothing to be given back.
        let content = content(&self.path).or_else(|_| content(&self.path)).map_err(failed("read", &self.path))?;
        Ok(content.as_deref().and_then(parse))
    }

    /// Writes it, unless it says that already.
    pub fn write(&self, record: &Record, undo: &mut Undo) -> Result<()> {
        let before = content(&self.path).map_err(failed("read", &self.path))?;
        if before.as_deref().and_then(parse).as_ref() == Some(record) {
            return Ok(());
        }
        if let Some(dir) = self.path.parent() {
            make(dir).map_err(failed("create \"dataDir\"", dir))?;
        }
        // First: what gets lost may be the kernel's answer alone.
        let backup = self.clone();
        undo.push(format!("write {}", self.path.display()), move || match before {
            Some(before) => backup.replace(&before),
            None => backup.remove(),
        });
        let content = serde_json::to_vec(record)
            .map_err(|error| Error::new(Code::Internal, format!("write {}: {error}", self.path.display())))?;
        self.replace(&content)
    }

    fn replace(&self, content: &[u8]) -> Result<()> {
        let write = || {
            unlink(&self.new)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.new)?.write_all(content)?;
            fs::rename(&self.new, &self.path)
        };
        write().map_err(failed("write", &self.path))
    }

    /// Removes it, whatever it is, and what a crash may have left of a new one.
    pub fn remove(&self) -> Result<()> {
        let steps = [&self.new, &self.path].map(|path| unlink(path).map_err(failed("remove", path)));
        Error::collect(steps)
    }
}

/// Fails if files could not be written into `dir`, which is made by the first ADD.
pub fn check_usable(dir: &Path) -> Result<()> {
    let mut above = dir.ancestors().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    let Some((existing, about)) = above.find_map(|dir| Some((dir, fs::metadata(dir).ok()?))) else { return Ok(()) };
    let usable = if about.is_dir() {
        access(existing, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from)
    } else {
        Err(ErrorKind::NotADirectory.into())
    };
    usable.map_err(failed(&format!("use \"dataDir\" {}:", dir.display()), existing))
}

/// Removes the files of the attachments to `network` that are not in `keep`. Files of the reference do not tell their
/// network: they stay.
pub fn remove_garbage(dir: &Path, network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if file::is_nothing(&error) => return Ok(()),
        entries => entries.map_err(failed("list \"dataDir\"", dir))?,
    };
    let kept: BTreeSet<String> = keep.iter().map(|attachment| Owner::new(network, attachment).prefix()).collect();
    let mut steps = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed("list \"dataDir\"", dir))?.path();
        steps.push(
            is_garbage(&path, network, keep, &kept).and_then(|is_garbage| {
                if is_garbage { unlink(&path).map_err(failed("remove", &path)) } else { Ok(()) }
            }),
        );
    }
    Error::collect(steps)
}

fn is_garbage(path: &Path, network: &str, keep: &BTreeSet<Attachment>, kept: &BTreeSet<String>) -> Result<bool> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(owner) = name.strip_prefix('.').and_then(tag_prefix) {
        let of_network = owner.starts_with(&network_hash(network)) && name == temporary(owner);
        return Ok(of_network && !kept.contains(owner));
    }
    if !name.ends_with(".json") {
        return Ok(false);
    }
    let content = content(path).map_err(failed("read", path))?;
    let attachment = content.as_deref().and_then(parse).and_then(|record| record.attachment_to(network));
    Ok(attachment.is_some_and(|attachment| !keep.contains(&attachment)))
}

/// The name of a file that is not yet whole.
fn temporary(owner: &str) -> String {
    format!(".{owner}.new")
}

/// None if there is nothing, or something that was not put there by us.
fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match file::read(path, Links::Refuse) {
        Err(error) if file::is_nothing(&error) => Ok(None),
        read => read.map(Some),
    }
}

fn parse(content: &[u8]) -> Option<Record> {
    json::decode(&serde_json::from_slice(content).ok().filter(serde_json::Value::is_object)?).ok()
}

/// Only the last directory is ours to close to others.
fn make(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        // Somebody was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        done => done,
    }
}

/// Removes a file; none is fine, and a directory in its place is nobody's that we know.
fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if file::is_nothing(&error) => Ok(()),
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            log::warn!("remove {}: it is a directory", path.display());
            Ok(())
        }
        done => done,
    }
}

fn failed(what: &str, path: &Path) -> impl Fn(io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    move |error| Error::new(Code::Io, format!("{what}: {error}"))
}
