//! Files that are not what a path should lead to.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, fs::symlink, net::UnixListener},
    path::Path,
};

use nix::{sys::stat::Mode, unistd::mkfifo};

/// Their names.
pub const NAMES: [&str; 8] = ["fifo", "socket", "loop", "dangling", "file", "directory", "to-fifo", "closed"];

/// Makes them in a new directory.
pub fn make(dir: &Path) {
    fs::create_dir(dir).unwrap();
    mkfifo(&dir.join("fifo"), Mode::S_IRWXU).unwrap();
    drop(UnixListener::bind(dir.join("socket")).unwrap());
    symlink("loop", dir.join("loop")).unwrap();
    symlink("nothing", dir.join("dangling")).unwrap();
    symlink("fifo", dir.join("to-fifo")).unwrap();
    fs::write(dir.join("file"), "content").unwrap();
    fs::write(dir.join("closed"), "content").unwrap();
    fs::set_permissions(dir.join("closed"), Permissions::from_mode(0o0)).unwrap();
    fs::create_dir(dir.join("directory")).unwrap();
}
