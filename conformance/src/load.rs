//! Finding a network by its name in a directory of configuration files.
//!
//! `.conflist` files come before `.conf` and `.json` files, each sorted by name, as libcni looks (`LoadNetworkConf`). Unlike
//! there, a file that cannot be read hides nobody: it is warned about, and so is a name that two files claim.

use crate::{
    error::{Error, Result},
    ident::check_network_name,
    list::{NetworkList, unchecked_name},
    object::Object,
    observer::Observer,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Loads the network `name` from the directory `dir`.
///
/// # Errors
/// A name that the specification does not allow; no file with that name; a file with that name that is not valid.
pub fn load(dir: &Path, name: &str, observer: &dyn Observer) -> Result<NetworkList> {
    check_network_name(name)?;
    let mut found: Option<Candidate> = None;
    let mut others = Vec::new();
    for path in candidate_files(dir)? {
        match Candidate::read(path) {
            Err(error) => observer.warning(&error.to_string()),
            Ok(candidate) if candidate.name != name => others.push(candidate.name),
            Ok(candidate) => match &found {
                None => found = Some(candidate),
                Some(first) => observer.warning(&format!(
                    "network {name:?} is described twice: {} is used, {} is not",
                    first.path.display(),
                    candidate.path.display()
                )),
            },
        }
    }
    let candidate = found.ok_or_else(|| not_found(dir, name, &others))?;
    candidate.to_list().map_err(|e| e.about(format!("load {}", candidate.path.display())))
}

/// A file that may describe the network: its name is known, the rest is not yet looked at.
struct Candidate {
    path: PathBuf,
    name: String,
    text: String,
    object: Object,
}

impl Candidate {
    fn read(path: PathBuf) -> Result<Self> {
        let skip = |why: String| Error::refused(format!("skip {}: {why}", path.display()));
        let text = fs::read_to_string(&path).map_err(|cause| skip(cause.to_string()))?;
        let object = Object::parse(text.as_bytes()).map_err(|cause| skip(format!("not a JSON object: {cause}")))?;
        let name = unchecked_name(&object).ok_or_else(|| skip("name is missing or not a string".into()))?;
        Ok(Self { path, name, text, object })
    }

    fn to_list(&self) -> Result<NetworkList> {
        if !has_extension(&self.path, &["conflist"]) {
            return NetworkList::parse_single(&self.text);
        }
        let following = if NetworkList::inlined_only(&self.object)? { Vec::new() } else { self.following_plugins()? };
        NetworkList::parse(&self.text, &following)
    }

    /// The texts of `<dir>/<network>/*.conf`, sorted by file name (spec main: section 1, "`loadOnlyInlinedPlugins`").
    fn following_plugins(&self) -> Result<Vec<(String, String)>> {
        // The name is the one that was asked for, so it has been checked and stays in the directory.
        let dir = self.path.with_file_name(&self.name);
        let read = |path: PathBuf| match fs::read_to_string(&path) {
            Ok(text) => Ok((path.display().to_string(), text)),
            Err(cause) => Err(Error::io("read", &path, cause)),
        };
        sorted_files(&dir, &["conf"])?.into_iter().map(read).collect()
    }
}

fn candidate_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = sorted_files(dir, &["conflist"])?;
    files.extend(sorted_files(dir, &["conf", "json"])?);
    Ok(files)
}

/// The files of a directory with one of the extensions, in the order of their bytes. No directory, no files.
fn sorted_files(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::io("read directory", dir, cause);
    let entries = match fs::read_dir(dir) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let paths: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>().map_err(failed)?;
    // Directories are left out, dangling links are not: they deserve their warning.
    let mut files: Vec<_> =
        paths.into_iter().filter(|path| has_extension(path, extensions) && !path.is_dir()).collect();
    files.sort_unstable();
    Ok(files)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    // Not `Path::extension`: libcni takes a file that is called just `.conf`, too.
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

fn not_found(dir: &Path, name: &str, others: &[String]) -> Error {
    let there = match others {
        [] => "it describes no network".to_owned(),
        names => format!("it describes {}", names.join(", ")),
    };
    Error::refused(format!("find network {name:?} in {}: {there}", dir.display()))
}

#[cfg(test)]
mod tests;
