//! The shape of the configuration: no defaults, no checks. Those are [`crate::plan`]'s.

use cni::{Code, Error, Result, Route, json};
use serde::Deserialize;
use serde_json::Value;

/// The parts of a request that concern us, not yet looked into: a DEL has to work with ranges that ADD would refuse.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    ipam: Value,
    args: Value,
    runtime_config: Value,
}

/// `ipam`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ipam {
    /// With the next three a range set of one range, the form of old configurations.
    pub subnet: Option<String>,
    /// See [`RangeConf::range_start`].
    pub range_start: Option<String>,
    /// See [`RangeConf::range_end`].
    pub range_end: Option<String>,
    /// See [`RangeConf::gateway`].
    pub gateway: Option<String>,
    /// One address is handed out of each of these sets.
    pub ranges: Vec<Vec<RangeConf>>,
    /// Addresses and CIDRs that are never handed out, whatever the range.
    pub exclude: Vec<String>,
    /// What subnets are chosen from.
    pub pools: Vec<PoolConf>,
    /// Goes into the result as it is.
    pub routes: Vec<Route>,
    /// Path of a file as described in resolv.conf(5).
    pub resolv_conf: Option<String>,
}

/// A range of a range set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RangeConf {
    /// The network, as a CIDR without host bits.
    pub subnet: Option<String>,
    /// The first address to hand out.
    pub range_start: Option<String>,
    /// The last address to hand out.
    pub range_end: Option<String>,
    /// The network's gateway, which is never handed out.
    pub gateway: Option<String>,
    /// Addresses and CIDRs of this range that are never handed out.
    pub exclude: Vec<String>,
}

/// A network that subnets are chosen from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PoolConf {
    /// The network, as a CIDR without host bits.
    pub base: Option<String>,
    /// The prefix length of its subnets.
    pub size: Option<i64>,
}

/// `args`, the place where users of old runtimes ask for addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Args {
    /// The part that CONVENTIONS.md defines.
    pub cni: CniArgs,
}

/// `args.cni`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CniArgs {
    /// Requested addresses, with or without a prefix length.
    pub ips: Vec<String>,
}

/// `runtimeConfig`: what the runtime passes for the capabilities `ipRanges` and `ips`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimeConfig {
    /// Range sets that go before the configuration's own.
    pub ip_ranges: Vec<Vec<RangeConf>>,
    /// Requested addresses, with or without a prefix length.
    pub ips: Vec<String>,
}

impl Conf {
    /// `ipam`, which has to be there.
    pub fn ipam(&self) -> Result<Ipam> {
        if self.ipam.is_null() {
            return Err(Error::invalid("\"ipam\" is missing, an object with \"ranges\" or \"subnet\" is needed")
                .details("IPAM config missing 'ipam' key"));
        }
        json::section("ipam", &self.ipam)
    }

    /// `args`.
    pub fn args(&self) -> Result<Args> {
        json::section("args", &self.args)
    }

    /// `runtimeConfig`.
    pub fn runtime_config(&self) -> Result<RuntimeConfig> {
        json::section("runtimeConfig", &self.runtime_config)
    }

    /// `ipam.dataDir`, all that DEL and GC need. Code 6 if it is no text.
    pub fn data_dir(&self) -> Result<Option<&str>> {
        match json::lookup(&self.ipam, "dataDir") {
            None => Ok(None),
            Some(Value::String(dir)) => Ok(Some(dir.as_str()).filter(|dir| !dir.is_empty())),
            Some(other) => Err(Error::new(
                Code::Decode,
                format!("decode network configuration \"ipam.dataDir\": {other} is not a string"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conf(document: &Value) -> Conf {
        json::decode(document).unwrap()
    }

    #[test]
    fn keys_match_in_any_case_at_every_level() {
        let conf = conf(&json!({"IPAM": {"DataDir": "/x", "Ranges": [[{"SubNet": "10.0.0.0/24", "ipRange": "y"}]]},
            "RuntimeConfig": {"IPs": ["10.0.0.5"], "ipRanges": [[{"Subnet": "fd00::/64", "RangeStart": ""}]]},
            "Args": {"CNI": {"Ips": ["10.0.0.6/24"]}}}));
        assert_eq!(conf.data_dir(), Ok(Some("/x")));
        assert_eq!(conf.ipam().unwrap().ranges[0][0].subnet.as_deref(), Some("10.0.0.0/24"));
        assert_eq!(conf.runtime_config().unwrap().ips, ["10.0.0.5"]);
        assert_eq!(conf.runtime_config().unwrap().ip_ranges[0][0].range_start, None);
        assert_eq!(conf.args().unwrap().cni.ips, ["10.0.0.6/24"]);
    }

    #[test]
    fn absent_and_null_are_unset_and_only_ipam_is_needed() {
        for document in [json!({}), json!({"ipam": null, "args": null, "runtimeConfig": null})] {
            let conf = conf(&document);
            assert_eq!(conf.data_dir(), Ok(None));
            assert!(conf.args().unwrap().cni.ips.is_empty());
            assert!(conf.runtime_config().unwrap().ips.is_empty());
            assert_eq!(conf.ipam().unwrap_err().details, "IPAM config missing 'ipam' key");
        }
    }

    #[test]
    fn wrong_types_are_named_only_when_asked_for() {
        let conf = conf(&json!({"ipam": {"dataDir": "/x", "subnet": 5}}));
        assert_eq!(conf.data_dir(), Ok(Some("/x")));
        let error = conf.ipam().unwrap_err();
        assert_eq!(error.code, Code::Decode);
        assert!(error.msg.starts_with("decode network configuration \"ipam\": \"subnet\": "), "{error}");
    }

    #[test]
    fn data_dir_that_is_no_text_is_refused() {
        let error = conf(&json!({"ipam": {"dataDir": 5}})).data_dir().unwrap_err();
        assert_eq!(error.msg, "decode network configuration \"ipam.dataDir\": 5 is not a string");
    }
}
