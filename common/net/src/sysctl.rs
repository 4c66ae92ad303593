//! Sysctls of the network namespace that the thread is in (Documentation/networking/ip-sysctl.rst).

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{Error, Inside, Result};

/// The value of `key`, for example `net/ipv4/conf/eth0/arp_notify`, without white space around it.
pub fn get(_: &Inside<'_>, key: &str) -> Result<String> {
    match fs::read_to_string(file(key)) {
        Ok(value) => Ok(value.trim().to_owned()),
        Err(error) => Err(Error::io(format!("read sysctl {key}"), &error)),
    }
}

/// Sets `key` to `value`. Of an empty value the end of the line is written: the kernel takes no notice of no bytes
/// (`proc_do_large_bitmap`, `kernel/sysctl.c`).
pub fn set(_: &Inside<'_>, key: &str, value: &str) -> Result<()> {
    fs::write(file(key), if value.is_empty() { "\n" } else { value })
        .map_err(|error| Error::io(format!("set sysctl {key} to {value}"), &error))
}

/// Sets `key` to `value` unless it is that already; a key may be readable and correct where it cannot be written.
pub fn ensure(inside: &Inside<'_>, key: &str, value: &str) -> Result<()> {
    if get(inside, key).is_ok_and(|current| is_same(&current, value)) {
        return Ok(());
    }
    set(inside, key, value)
}

/// All sysctls of the link of that name that can be read, with their values.
pub fn of_link(_: &Inside<'_>, name: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for parent in ["net/ipv4/conf", "net/ipv4/neigh", "net/ipv6/conf", "net/ipv6/neigh"] {
        let parent = format!("{parent}/{name}");
        // None where the kernel has no IPv6.
        for entry in fs::read_dir(file(&parent)).into_iter().flatten().flatten() {
            let value = read_once(&entry.path()).ok();
            all.extend(value.map(|value| (format!("{parent}/{}", entry.file_name().to_string_lossy()), value)));
        }
    }
    all
}

/// The value in a file, which the kernel gives whole with the first call: there are more than a hundred.
fn read_once(path: &Path) -> io::Result<String> {
    let mut bytes = [0; 4096];
    let length = File::open(path)?.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).trim().to_owned())
}

/// Whether two values are the same to the kernel, which has tabs between numbers where people have spaces.
pub fn is_same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// Keys have `/` between their parts, because names of interfaces may contain `.`.
fn file(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(key)
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn values_are_compared_word_by_word() {
        assert!(is_same("4096\t131072\t6291456", " 4096 131072  6291456\n"));
        assert!(!is_same("4096 131072", "4096 13107 2"));
        assert!(!is_same("1", ""));
    }
}
