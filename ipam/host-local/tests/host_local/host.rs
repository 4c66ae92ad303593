//! A data directory, and plugins that work in it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

pub const NETWORK: &str = "net";

/// A host with leases of its own.
pub struct Host {
    data: TempDir,
    pub binary: PathBuf,
}

/// What a call has said.
#[derive(Debug)]
pub struct Output {
    pub success: bool,
    pub stdout: String,
}

/// One call, to be changed before it is run.
pub struct Call<'a> {
    host: &'a Host,
    command: Command,
    conf: Value,
}

pub fn ours() -> PathBuf {
    env!("CARGO_BIN_EXE_host-local").into()
}

impl Host {
    pub fn new() -> Self {
        Self { data: TempDir::new().unwrap(), binary: ours() }
    }

    /// One whose files are in this directory.
    pub fn within(dir: &Path) -> Self {
        Self { data: TempDir::new_in(dir).unwrap(), binary: ours() }
    }

    /// The same host, with another binary.
    pub fn with(self, binary: PathBuf) -> Self {
        Self { binary, ..self }
    }

    /// The directory of the network's leases.
    pub fn dir(&self) -> PathBuf {
        self.data.path().join("networks").join(NETWORK)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Files of the directory with their content, but for those that are always left.
    pub fn leases(&self) -> BTreeMap<String, String> {
        let mut files = self.files();
        files.retain(|name, _| name != "lock" && name != ".boot_id" && !name.starts_with("last_reserved_ip."));
        files
    }

    /// Files of the directory with their content; none if there is no directory.
    pub fn files(&self) -> BTreeMap<String, String> {
        let Ok(entries) = fs::read_dir(self.dir()) else { return BTreeMap::new() };
        entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let content = fs::read(&path).unwrap();
                (path.file_name().unwrap().to_str().unwrap().to_owned(), String::from_utf8_lossy(&content).into_owned())
            })
            .collect()
    }

    /// Puts a file into the directory, as another plugin or a crash would.
    pub fn put(&self, name: &str, content: &str) {
        fs::create_dir_all(self.dir()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// A configuration of version 1.0.0 with this `ipam`.
    pub fn conf(&self, ipam: &Value) -> Value {
        let mut ipam = ipam.clone();
        ipam["type"] = "host-local".into();
        ipam["dataDir"] = self.data.path().join("networks").to_str().unwrap().into();
        json!({"cniVersion": "1.0.0", "name": NETWORK, "type": "ptp", "ipam": ipam})
    }

    /// A call for interface `eth0` of container `id`.
    pub fn call(&self, command: &str, id: &str, conf: &Value) -> Call<'_> {
        self.call_through(Command::new(&self.binary), command, id, conf)
    }

    /// A call where `process` starts the plugin.
    pub fn call_through(&self, mut process: Command, command: &str, id: &str, conf: &Value) -> Call<'_> {
        process
            .env_clear()
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", id)
            .env("CNI_NETNS", "/var/run/netns/test")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", "/opt/cni/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Call { host: self, command: process, conf: conf.clone() }
    }

    /// The addresses that an ADD hands out.
    pub fn add(&self, id: &str, conf: &Value) -> Vec<String> {
        self.call("ADD", id, conf).run().addresses()
    }

    pub fn del(&self, id: &str, conf: &Value) {
        self.call("DEL", id, conf).run().silent();
    }
}

impl Call<'_> {
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn without(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    pub fn stdout(mut self, path: &Path) -> Self {
        self.command.stdout(File::options().write(true).open(path).unwrap());
        self
    }

    pub fn start(mut self) -> Child {
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.host.binary.display()));
        // A plugin that refuses its environment does not read.
        let _ = child.stdin.take().unwrap().write_all(self.conf.to_string().as_bytes());
        child
    }

    pub fn run(self) -> Output {
        finish(self.start())
    }
}

pub fn finish(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    Output { success: output.status.success(), stdout: String::from_utf8(output.stdout).unwrap() }
}

impl Output {
    pub fn result(&self) -> Value {
        assert!(self.success, "{}", self.stdout);
        serde_json::from_str(&self.stdout).expect("one JSON document")
    }

    pub fn addresses(&self) -> Vec<String> {
        self.result()["ips"].as_array().unwrap().iter().map(|ip| ip["address"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub fn silent(&self) {
        assert!(self.success && self.stdout.is_empty(), "{self:?}");
    }

    /// Code, message and details of the error.
    #[track_caller]
    pub fn error(&self) -> (u64, String, String) {
        assert!(!self.success, "{}", self.stdout);
        let error: Value = serde_json::from_str(&self.stdout).expect("one JSON document");
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        (error["code"].as_u64().unwrap(), text("msg"), text("details"))
    }
}
