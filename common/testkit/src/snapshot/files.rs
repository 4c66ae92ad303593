//! Directories, files and their content.

use std::fs;
use std::path::Path;

/// One line per directory and link, one per line of a file. A directory that does not exist is a line less.
pub(super) fn lines(path: &Path) -> Vec<String> {
    let shown = path.display();
    let Ok(metadata) = path.symlink_metadata() else {
        return Vec::new();
    };
    if metadata.is_dir() {
        let mut lines = vec![format!("dir {shown}")];
        lines.extend(entries(path).iter().flat_map(|entry| self::lines(entry)));
        lines
    } else if metadata.is_symlink() {
        vec![format!("symlink {shown} -> {}", fs::read_link(path).unwrap_or_default().display())]
    } else if metadata.is_file() {
        content(path)
    } else {
        vec![format!("special {shown}")]
    }
}

fn entries(dir: &Path) -> Vec<std::path::PathBuf> {
    let read = fs::read_dir(dir).unwrap_or_else(|e| panic!("read {}: {e}", dir.display()));
    // What disappears while it is read was not there.
    let mut entries: Vec<_> = read.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    entries.sort();
    entries
}

fn content(path: &Path) -> Vec<String> {
    let shown = path.display();
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    if text.is_empty() {
        return vec![format!("file {shown}")];
    }
    text.split('\n').map(|line| format!("file {shown}: {}", line.escape_debug())).collect()
}
