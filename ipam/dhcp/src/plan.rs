//! From the JSON's shape to what the daemon is asked for. Pure.

use std::{collections::BTreeMap, path::PathBuf};

use cni::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{
    conf::{Conf, Ipam, Provide, Request, SOCKET},
    options,
};

/// How long the value of an option can be.
const LONGEST: usize = 255;

/// What a request comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// What is asked for.
    pub wanted: Wanted,
}

/// What a container is to get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// An IPv4 address.
    pub v4: Option<Wanted4>,
    /// An IPv6 address.
    pub v6: Option<Wanted6>,
    /// The metric of all routes.
    pub priority: Option<u32>,
}

/// What is asked for by DHCPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted4 {
    /// Options that are sent, by their number.
    pub provide: BTreeMap<u8, Vec<u8>>,
    /// Options that are asked for.
    pub request: Vec<u8>,
    /// Whether the server is asked to answer by broadcast.
    pub broadcast: bool,
}

/// What is asked for by DHCPv6.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted6 {
    /// How long a prefix is asked for beside the address.
    pub prefix: Option<u8>,
}

impl Plan {
    /// What a request asks for, `args` being `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 7 for what is not allowed or contradicts, code 6 for JSON values of the wrong type, code 4 for a value of `CNI_ARGS`
    /// that is too long.
    pub fn new(conf: &Conf, args: &str) -> Result<Self> {
        let ipam = conf.ipam()?;
        let families = Families::parse(&ipam.families)?;
        let prefix = ipam.prefix_delegation.filter(|length| *length != 0).map(prefix_length).transpose()?;
        if prefix.is_some() && !families.v6 {
            return Err(Error::invalid(
                "\"ipam.prefixDelegation\" needs \"ipv6\" in \"ipam.families\": prefixes come by DHCPv6",
            ));
        }
        let v4 = Wanted4 {
            provide: provide(&ipam.provide, args)?,
            request: request(&ipam.request)?,
            broadcast: ipam.broadcast,
        };
        let wanted = Wanted {
            v4: families.v4.then_some(v4),
            v6: families.v6.then_some(Wanted6 { prefix }),
            priority: priority(&ipam)?,
        };
        Ok(Self { socket: socket(ipam)?, wanted })
    }
}

struct Families {
    v4: bool,
    v6: bool,
}

impl Families {
    fn parse(names: &[String]) -> Result<Self> {
        if let Some(odd) = names.iter().find(|name| !["ipv4", "ipv6"].contains(&name.as_str())) {
            return Err(Error::invalid(format!("\"ipam.families\": \"{odd}\" must be \"ipv4\" or \"ipv6\"")));
        }
        let has = |family: &str| names.iter().any(|name| name == family);
        Ok(Self { v4: names.is_empty() || has("ipv4"), v6: has("ipv6") })
    }
}

fn socket(ipam: Ipam) -> Result<PathBuf> {
    let path = ipam.daemon_socket_path.unwrap_or_else(|| SOCKET.into());
    if path.is_absolute() {
        return Ok(path);
    }
    Err(Error::invalid(format!("\"ipam.daemonSocketPath\": {} must be an absolute path", path.display())))
}

/// 0 is as good as none.
fn priority(ipam: &Ipam) -> Result<Option<u32>> {
    let priority = ipam.priority.unwrap_or_default();
    let number = u32::try_from(priority).map_err(|_| {
        Error::invalid(format!("\"ipam.priority\": {priority} must be from 0 to {}, the metric of routes", u32::MAX))
    })?;
    Ok(Some(number).filter(|number| *number > 0))
}

fn prefix_length(length: i64) -> Result<u8> {
    u8::try_from(length).ok().filter(|length| (1..=127).contains(length)).ok_or_else(|| {
        Error::invalid(format!(
            "\"ipam.prefixDelegation\": {length} must be a prefix length from 1 to 127, or 0 for none"
        ))
    })
}

/// What each option says: the value of `fromArg`, if that is there, or else `value`. An empty one is not sent.
fn provide(list: &[Provide], args: &str) -> Result<BTreeMap<u8, Vec<u8>>> {
    let mut options = BTreeMap::new();
    for (i, entry) in list.iter().enumerate() {
        let key = format!("ipam.provide[{i}]");
        let code = options::free(&format!("{key}.option"), entry.option.as_deref().unwrap_or_default())?;
        if let Some(value) = &entry.value {
            check_length(&format!("\"{key}.value\""), value).map_err(Error::invalid)?;
            options.insert(code, value.clone().into_bytes());
        }
        let from_arg = entry.from_arg.as_deref().and_then(|arg| Some((arg, argument(args, arg)?)));
        if let Some((arg, value)) = from_arg.filter(|(_, value)| !value.is_empty()) {
            check_length(&format!("ARGS: \"{arg}\""), value)
                .map_err(|msg| Error::new(cni::Code::InvalidEnvironment, msg))?;
            options.insert(code, value.to_owned().into_bytes());
        }
    }
    Ok(options)
}

fn check_length(what: &str, value: &str) -> Result<(), String> {
    if value.len() <= LONGEST {
        return Ok(());
    }
    Err(format!("{what}: it has {} bytes, an option can have {LONGEST}", value.len()))
}

/// The value of a key of `CNI_ARGS`. More tolerant than other plugins: keys are the user's, and values may contain `=`.
fn argument<'a>(args: &'a str, wanted: &str) -> Option<&'a str> {
    let mut pairs = args.split(';').filter_map(|pair| pair.split_once('='));
    pairs.rfind(|(key, _)| *key == wanted).map(|(_, value)| value)
}

/// The defaults and what is listed, or, if an entry says so, what is listed alone.
fn request(list: &[Request]) -> Result<Vec<u8>> {
    let skip = list.iter().any(|entry| entry.skip_default);
    let mut codes: Vec<u8> = if skip { Vec::new() } else { options::REQUESTED.map(u8::from).to_vec() };
    for (i, entry) in list.iter().enumerate() {
        // An entry may have nothing to say but `skipDefault`.
        if entry.option.is_none() && entry.skip_default {
            continue;
        }
        let code = options::free(&format!("ipam.request[{i}].option"), entry.option.as_deref().unwrap_or_default())?;
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    Ok(codes)
}

#[cfg(test)]
mod tests;
