//! The container ID that cnitool gives to a network namespace.

use sha2::{Digest, Sha512};
use std::{
    env,
    fmt::Write,
    io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

/// `path` made absolute and rid of `.`, `..` and double slashes by its text alone: symbolic links stay.
///
/// So `/var/run/netns/x` and `/run/netns/x` are two containers, as for the Go cnitool.
///
/// # Errors
/// A relative path while there is no working directory.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let whole = if path.is_absolute() { path.to_owned() } else { env::current_dir()?.join(path) };
    let mut clean = PathBuf::from("/");
    for component in whole.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            // At the root there is nothing above: `pop` leaves it.
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

/// `cnitool-` and 20 hexadecimal digits of the SHA-512 of an [`absolute`] path: what the Go cnitool uses, so that one tool
/// can detach what the other attached.
pub fn container_id(netns: &Path) -> String {
    let digest = Sha512::digest(netns.as_os_str().as_bytes());
    digest.iter().take(10).fold(String::from("cnitool-"), |mut id, byte| {
        // Writing to a String does not fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_double_slashes_are_cleaned() {
        for (given, clean) in
            [("/a/./b//c/", "/a/b/c"), ("/a/../b", "/b"), ("/../../a", "/a"), ("/", "/"), ("/a/..", "/")]
        {
            assert_eq!(absolute(Path::new(given)).unwrap(), Path::new(clean), "{given}");
        }
    }

    #[test]
    fn relative_path_starts_at_the_working_directory() {
        let here = env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("x/../y")).unwrap(), here.join("y"));
    }

    #[test]
    fn id_is_the_start_of_the_sha512() {
        // printf %s /var/run/netns/testing | sha512sum
        assert_eq!(container_id(Path::new("/var/run/netns/testing")), "cnitool-77383ca0a0715733ca6f");
    }
}
