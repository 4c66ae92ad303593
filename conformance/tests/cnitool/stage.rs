//! A host for one test: a directory of networks, one of plugins, one for the cache.

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

pub struct Stage {
    dir: TempDir,
}

/// How cnitool ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// One call of a plugin.
#[derive(Debug)]
pub struct Call {
    pub plugin: String,
    pub command: String,
    pub env: BTreeMap<String, String>,
    pub stdin: String,
}

/// The network namespace of the tests; its container ID is [`CONTAINER`].
pub const NETNS: &str = "/run/netns/blue";

/// `cnitool-` and the first 20 digits of `printf %s /run/netns/blue | sha512sum`.
pub const CONTAINER: &str = "cnitool-df26705e2e4ffd095eb1";

impl Stage {
    /// A host with these plugins. They answer VERSION with every version, ADD with an empty result, the rest with silence.
    pub fn new(plugins: &[&str]) -> Self {
        let stage = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["net.d", "bin", "calls", "answers"] {
            fs::create_dir(stage.path(dir)).unwrap();
        }
        for plugin in plugins {
            stage.install(plugin);
        }
        stage
    }

    fn install(&self, plugin: &str) {
        let path = self.path("bin").join(plugin);
        let text = include_str!("plugin.sh").replace("STAGE", self.dir.path().to_str().unwrap());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Describes a network with this text.
    pub fn conflist(&self, text: &str) {
        fs::write(self.path("net.d/10-net.conflist"), text).unwrap();
    }

    /// Describes the network `net` with plugins that have nothing but a type.
    pub fn network(&self, version: &str, plugins: &[&str]) {
        let plugins: Vec<_> = plugins.iter().map(|plugin| json!({ "type": plugin })).collect();
        self.conflist(&json!({ "cniVersion": version, "name": "net", "plugins": plugins }).to_string());
    }

    /// Makes a plugin answer a command with the rest of this shell script.
    pub fn answer(&self, plugin: &str, command: &str, script: &str) {
        fs::write(self.path("answers").join(format!("{plugin}-{command}")), script).unwrap();
    }

    /// Makes a plugin answer ADD with this result.
    pub fn result(&self, plugin: &str, result: &Value) {
        self.answer(plugin, "ADD", &format!("cat <<'END'\n{result}\nEND\n"));
    }

    pub fn cnitool(&self, args: &[&str]) -> Ran {
        self.cnitool_with(&[], args)
    }

    pub fn cnitool_with(&self, env: &[(&str, &str)], args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnitool"));
        for name in ["CNI_ARGS", "CAP_ARGS", "CNI_IFNAME", "CNI_CONTAINERID"] {
            command.env_remove(name);
        }
        command.env("NETCONFPATH", self.path("net.d")).env("CNI_PATH", self.path("bin"));
        command.env("CNI_CACHE_DIR", self.path("cache")).envs(env.iter().copied()).args(args);
        let output = command.stdin(Stdio::null()).output().unwrap();
        Ran {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        let mut dirs: Vec<_> = fs::read_dir(self.path("calls")).unwrap().map(|entry| entry.unwrap().path()).collect();
        dirs.sort();
        dirs.iter().map(|dir| Call::read(dir)).collect()
    }

    /// The calls so far, as `plugin COMMAND`; then forgotten.
    pub fn order(&self) -> Vec<String> {
        let order = self.calls().iter().map(|call| format!("{} {}", call.plugin, call.command)).collect();
        self.forget_calls();
        order
    }

    pub fn forget_calls(&self) {
        fs::remove_dir_all(self.path("calls")).unwrap();
        fs::create_dir(self.path("calls")).unwrap();
    }

    /// The names of the files in the cache.
    pub fn cached(&self) -> Vec<String> {
        let Ok(dir) = fs::read_dir(self.path("cache/results")) else { return Vec::new() };
        let mut names: Vec<_> = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Writes a file to the cache.
    pub fn cache(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path("cache/results")).unwrap();
        fs::write(self.path("cache/results").join(name), text).unwrap();
    }
}

impl Ran {
    /// Asserts success; the text on stdout.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.status, 0, "{self:#?}");
        self.stdout
    }

    /// Asserts a failure with nothing on stdout; the text on stderr.
    #[track_caller]
    pub fn failure(self) -> String {
        assert_eq!((self.status, self.stdout.as_str()), (1, ""), "{self:#?}");
        self.stderr
    }
}

impl Call {
    fn read(dir: &Path) -> Self {
        let name = dir.file_name().unwrap().to_str().unwrap();
        let mut words = name.split('-').skip(1);
        let env = fs::read_to_string(dir.join("env")).unwrap();
        Self {
            plugin: words.next().unwrap().to_owned(),
            command: words.next().unwrap().to_owned(),
            env: env.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            stdin: fs::read_to_string(dir.join("stdin")).unwrap(),
        }
    }

    /// The request.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdin).unwrap()
    }
}
