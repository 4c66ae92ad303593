//! The shape of the configuration: no defaults, no checks. Those are [`crate::plan`]'s.

use cni::{Dns, Error, Result, Route, json};
use serde::Deserialize;
use serde_json::Value;

/// The parts of a request that concern us, not yet looked into: a DEL has to work with whatever ADD would refuse.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    ipam: Value,
    args: Value,
    runtime_config: Value,
}

/// `ipam`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Ipam {
    /// The addresses, unless somebody asks for others.
    pub addresses: Vec<AddressConf>,
    /// Goes into the result as it is.
    pub routes: Vec<Route>,
    /// Goes into the result as it is.
    pub dns: Dns,
}

/// An address of `ipam.addresses`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AddressConf {
    /// With the prefix length of its network.
    pub address: Option<String>,
    /// The network's gateway.
    pub gateway: Option<String>,
}

/// `args`, the place where users of old runtimes ask for addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Args {
    /// The part that CONVENTIONS.md defines.
    pub cni: Requested,
}

/// `args.cni`, and `runtimeConfig`, which has what the runtime passes for the capability `ips`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Requested {
    /// Addresses that take the place of the configured ones.
    pub ips: Vec<String>,
}

impl Conf {
    /// `ipam`, which has to be there.
    pub fn ipam(&self) -> Result<Ipam> {
        if self.ipam.is_null() {
            return Err(
                Error::invalid("\"ipam\" is missing, an object is needed").details("IPAM config missing 'ipam' key")
            );
        }
        json::section("ipam", &self.ipam)
    }

    /// `args`.
    pub fn args(&self) -> Result<Args> {
        json::section("args", &self.args)
    }

    /// `runtimeConfig`.
    pub fn runtime_config(&self) -> Result<Requested> {
        json::section("runtimeConfig", &self.runtime_config)
    }
}
