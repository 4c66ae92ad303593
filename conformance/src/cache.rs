//! The cache of results: what CHECK and DEL need to know of an ADD.
//!
//! Files, names and keys are those of libcni (`cniCacheV1`), so that several tools can share a host. Here a file is replaced
//! as a whole, and its fields are compared with what was asked for: network `a-b` with container `c` and network `a` with
//! container `b-c` share a file name.

use crate::{
    args::Args,
    error::{Error, Result},
    object::Object,
    request::AttachmentKey,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    time::{SystemTime, UNIX_EPOCH},
};

const KIND: &str = "cniCacheV1";

/// A directory of cached results.
#[derive(Clone, Debug)]
pub struct Cache {
    results: PathBuf,
}

/// What is cached of one attachment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    kind: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    config: String,
    /// `CNI_IFNAME`.
    #[serde(rename = "ifName")]
    pub ifname: String,
    /// The name of the network.
    #[serde(rename = "networkName")]
    pub network: String,
    /// `CNI_NETNS`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub netns: String,
    /// `CNI_ARGS`.
    #[serde(rename = "cniArgs", default, deserialize_with = "or_default", skip_serializing_if = "Args::is_empty")]
    pub args: Args,
    /// All capability arguments, whichever plugin they were for.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Object::is_empty")]
    pub capability_args: Object,
    /// The result of the last plugin, in the version that the list had at ADD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// What the cache knows of an attachment.
#[derive(Clone, Debug, PartialEq)]
pub enum Cached {
    /// Nothing.
    Missing,
    /// The attachment.
    Entry(Box<Entry>),
    /// Its result alone: the file is of libcni before 0.8.
    Legacy(Value),
    /// The file of that name belongs to this other attachment.
    Foreign(Box<Entry>),
    /// A file that is none of these: a sentence.
    Corrupt(String),
}

/// What a listing found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Attachments, sorted by file name.
    pub entries: Vec<Entry>,
    /// A sentence for each file that could not be read.
    pub unreadable: Vec<String>,
}

impl Entry {
    /// An entry without arguments and result, of a list with this text.
    pub fn new(network: &str, key: &AttachmentKey, config: &str) -> Self {
        Self {
            kind: KIND.into(),
            container_id: key.container_id.clone(),
            config: BASE64_STANDARD.encode(config),
            ifname: key.ifname.clone(),
            network: network.into(),
            netns: String::new(),
            args: Args::default(),
            capability_args: Object::new(),
            result: None,
        }
    }

    /// The attachment within its network.
    pub fn key(&self) -> AttachmentKey {
        AttachmentKey { container_id: self.container_id.clone(), ifname: self.ifname.clone() }
    }

    /// The text of the list at ADD; `None` if it is not base64.
    pub fn config(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.config).ok()
    }

    fn is(&self, network: &str, key: &AttachmentKey) -> bool {
        self.network == network && self.container_id == key.container_id && self.ifname == key.ifname
    }
}

impl Cache {
    /// The cache in `dir`, which need not exist: `dir/results/<network>-<container ID>-<interface>`.
    pub fn new(dir: &Path) -> Self {
        Self { results: dir.join("results") }
    }

    /// The file of an attachment.
    pub fn path(&self, network: &str, key: &AttachmentKey) -> PathBuf {
        self.results.join(format!("{network}-{}-{}", key.container_id, key.ifname))
    }

    /// What is known of an attachment.
    ///
    /// # Errors
    /// The file is there but cannot be read.
    pub fn read(&self, network: &str, key: &AttachmentKey) -> Result<Cached> {
        let path = self.path(network, key);
        let text = match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Cached::Missing),
            text => text.map_err(|cause| Error::io("read cache", &path, cause))?,
        };
        Ok(match decode(&text) {
            Ok(Decoded::Entry(entry)) if entry.is(network, key) => Cached::Entry(entry),
            Ok(Decoded::Entry(entry)) => Cached::Foreign(entry),
            Ok(Decoded::Legacy(result)) => Cached::Legacy(result),
            Err(why) => Cached::Corrupt(format!("read cache {}: {why}", path.display())),
        })
    }

    /// Stores an entry, in place of what its file held.
    ///
    /// # Errors
    /// The directory or the file cannot be written; the file is then as it was.
    pub fn store(&self, entry: &Entry) -> Result<()> {
        let path = self.path(&entry.network, &entry.key());
        let failed = |cause| Error::io("write cache", &path, cause);
        let text = serde_json::to_vec(entry).map_err(|cause| failed(io::Error::other(cause)))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.results).map_err(failed)?;
        // Others store at the same time, perhaps from another PID namespace: the clock tells us apart, `create_new` makes sure.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let temporary = self.results.join(format!(".{}-{nanos}.tmp", process::id()));
        let stored = write_new(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
        stored.map_err(|cause| {
            // What went wrong with the file is the error to tell; a left-over is not listed.
            let _ = fs::remove_file(&temporary);
            failed(cause)
        })
    }

    /// Forgets an attachment. One that is not known is forgotten already, and another's file stays.
    ///
    /// # Errors
    /// The file cannot be read or removed.
    pub fn remove(&self, network: &str, key: &AttachmentKey) -> Result<()> {
        if matches!(self.read(network, key)?, Cached::Missing | Cached::Foreign(_)) {
            return Ok(());
        }
        let path = self.path(network, key);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::io("remove cache", &path, cause)),
            _ => Ok(()),
        }
    }

    /// All attachments. Legacy files are left out: they do not say whose they are.
    ///
    /// # Errors
    /// The directory is there but cannot be read.
    pub fn list(&self) -> Result<Listing> {
        let failed = |cause| Error::io("read directory", &self.results, cause);
        let files = match fs::read_dir(&self.results) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
            files => files.map_err(failed)?,
        };
        let mut names = files.map(|file| Ok(file?.file_name())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
        names.sort_unstable();
        let mut listing = Listing::default();
        // Network names do not begin with a dot: temporary files do.
        for name in names.iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")) {
            let path = self.results.join(name);
            let text = match fs::read(&path) {
                // Removed since the directory was read.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(|cause| cause.to_string()),
            };
            match text.and_then(|text| decode(&text)) {
                Ok(Decoded::Entry(entry)) => listing.entries.push(*entry),
                Ok(Decoded::Legacy(_)) => {}
                Err(why) => listing.unreadable.push(format!("read cache {}: {why}", path.display())),
            }
        }
        Ok(listing)
    }
}

enum Decoded {
    Entry(Box<Entry>),
    Legacy(Value),
}

fn decode(text: &[u8]) -> std::result::Result<Decoded, String> {
    let object = Object::parse(text).map_err(|cause| format!("not a JSON object: {cause}"))?;
    if object.get("kind").is_none() {
        return serde_json::from_slice(text).map(Decoded::Legacy).map_err(|cause| cause.to_string());
    }
    let entry: Entry = serde_json::from_slice(text).map_err(|cause| cause.to_string())?;
    if entry.kind != KIND {
        return Err(format!("kind is {:?}, allowed is {KIND:?}", entry.kind));
    }
    for (key, text) in
        [("networkName", &entry.network), ("containerId", &entry.container_id), ("ifName", &entry.ifname)]
    {
        if text.is_empty() {
            return Err(format!("{key} is empty"));
        }
    }
    Ok(Decoded::Entry(Box::new(entry)))
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

/// `null` is as good as absent.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> std::result::Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests;
