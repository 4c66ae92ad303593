//! The shape of the configuration: no defaults, no checks. Those are [`crate::plan`]'s.

use std::path::PathBuf;

use cni::{Error, Result, json};
use serde::Deserialize;
use serde_json::Value;

/// Where the daemon listens unless the configuration says otherwise.
pub const SOCKET: &str = "/run/cni/dhcp.sock";

/// The parts of a request that concern us, not yet looked into: a DEL has to work with whatever ADD would refuse.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Conf {
    ipam: Value,
}

/// `ipam`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ipam {
    /// The daemon's socket.
    pub daemon_socket_path: Option<PathBuf>,
    /// The metric of all routes.
    pub priority: Option<i64>,
    /// Options to send.
    pub provide: Vec<Provide>,
    /// Options to ask for.
    pub request: Vec<Request>,
    /// Whether the server is asked to answer by broadcast.
    pub broadcast: bool,
    /// `ipv4`, `ipv6`.
    pub families: Vec<String>,
    /// How long a prefix to ask for.
    pub prefix_delegation: Option<i64>,
}

/// An entry of `ipam.provide`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Provide {
    /// The option's name or number.
    pub option: Option<String>,
    /// What it says.
    pub value: Option<String>,
    /// The key of `CNI_ARGS` whose value it says.
    pub from_arg: Option<String>,
}

/// An entry of `ipam.request`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Request {
    /// The option's name or number.
    pub option: Option<String>,
    /// Whether only what is listed is asked for.
    pub skip_default: bool,
}

impl Conf {
    /// `ipam`, which has to be there.
    pub fn ipam(&self) -> Result<Ipam> {
        if self.ipam.is_null() {
            return Err(Error::invalid("\"ipam\" is missing, an object is needed"));
        }
        json::section("ipam", &self.ipam)
    }

    /// The daemon's socket, for who has to do with whatever there is.
    pub fn socket(&self) -> PathBuf {
        let path = json::lookup(&self.ipam, "daemonSocketPath").and_then(Value::as_str);
        path.filter(|path| path.starts_with('/')).unwrap_or(SOCKET).into()
    }
}
