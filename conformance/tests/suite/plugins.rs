//! A directory of scripts that stand for plugins, and the suite run against it.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Answers VERSION as it should, every other command with status 0 and silence.
pub const SILENT: &str =
    r#"[ "$CNI_COMMAND" != VERSION ] || echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}'"#;

/// How a run of the suite ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// A directory of plugins.
pub struct Plugins {
    dir: TempDir,
}

impl Plugins {
    /// One plugin with this shell script.
    pub fn with(name: &str, script: &str) -> Self {
        let plugins = Self { dir: tempfile::tempdir().unwrap() };
        plugins.add(name, script);
        plugins
    }

    pub fn add(&self, name: &str, script: &str) {
        let path = self.write(name, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A file that is no plugin.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `conformance run` against all of them.
    pub fn run(&self, options: &[&str]) -> Ran {
        let dir = self.dir.path().to_str().unwrap();
        conformance(&[&["run", "--plugin-dir", dir], options].concat())
    }

    /// `conformance crash` against them.
    pub fn crash(&self, options: &[&str]) -> Ran {
        let dir = self.dir.path().to_str().unwrap();
        conformance(&[&["crash", "--plugin-dir", dir], options].concat())
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_conformance");

/// Runs the program with these words.
pub fn conformance(words: &[&str]) -> Ran {
    finish(Command::new(PROGRAM).args(words))
}

/// The same as somebody who may not even make user namespaces.
pub fn conformance_of_nobody(words: &[&str]) -> Ran {
    finish(Command::new("unshare").args(["--user", PROGRAM]).args(words))
}

fn finish(command: &mut Command) -> Ran {
    let done = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: done.status.code().unwrap(), stdout: text(done.stdout), stderr: text(done.stderr) }
}
