//! From the JSON's shape to what a command is going to do. Pure: nothing is read but the request, nothing is changed.

use std::{net::IpAddr, path::PathBuf};

use cni::{Code, Error, Network, Result, Route, Version};

use crate::{
    auto::Subnets,
    block::Block,
    conf::{Conf, Ipam, RangeConf, RuntimeConfig},
    range::{RangeSet, parse_blocks},
};

/// Where leases are kept if `ipam.dataDir` does not say.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// A configuration without contradictions.
#[derive(Debug)]
pub struct Plan {
    /// The directory of the network's leases.
    pub dir: PathBuf,
    /// The range sets in effective order; their index is the number in `last_reserved_ip.N`.
    pub sets: Vec<PlannedSet>,
    /// Routes for the result.
    pub routes: Vec<Route>,
    /// The file that name servers for the result are read from.
    pub resolv_conf: Option<PathBuf>,
}

/// A range set, and the address that somebody wants out of it.
#[derive(Debug)]
pub struct PlannedSet {
    /// The addresses that may be handed out.
    pub ranges: RangeSet,
    /// The address to hand out, which lies in the ranges, is no gateway and is not excluded.
    pub requested: Option<IpAddr>,
}

/// The directory of all networks.
pub fn data_dir(network: &Network<Conf>) -> Result<PathBuf> {
    Ok(PathBuf::from(network.conf.data_dir()?.unwrap_or(DATA_DIR)))
}

/// The directory of the network's leases: all that DEL and GC need.
pub fn lease_dir(network: &Network<Conf>) -> Result<PathBuf> {
    // A network's name has no slash and does not begin with a dot; the skeleton has checked that.
    Ok(data_dir(network)?.join(&network.name))
}

impl Plan {
    /// What a request asks for; `args` is `CNI_ARGS`, and `subnets` are those that the configuration does not say.
    ///
    /// # Errors
    /// Code 7 for contradictions, code 6 for JSON values of the wrong type, code 4 for a bad `CNI_ARGS`.
    pub fn new(network: &Network<Conf>, args: &str, subnets: &Subnets) -> Result<Self> {
        let ipam = resolved(network.conf.ipam()?, subnets);
        let runtime = network.conf.runtime_config()?;
        let ranges = range_sets(&ipam, &runtime, network.version)?;
        if ranges.is_empty() {
            return Err(Error::invalid("no IP ranges specified, \"ipam.ranges\" or \"ipam.subnet\" is needed"));
        }
        let mut sets: Vec<PlannedSet> =
            ranges.into_iter().map(|ranges| PlannedSet { ranges, requested: None }).collect();
        place(&requested(&network.conf, &runtime, args, &sets)?, &mut sets)?;
        Ok(Self {
            dir: lease_dir(network)?,
            sets,
            routes: ipam.routes,
            resolv_conf: ipam.resolv_conf.map(PathBuf::from),
        })
    }

    /// Fails as an ADD would. No ranges are fine: a STATUS does not carry what the capability `ipRanges` will bring.
    pub fn check(network: &Network<Conf>, subnets: &Subnets) -> Result<()> {
        range_sets(&resolved(network.conf.ipam()?, subnets), &network.conf.runtime_config()?, network.version).map(drop)
    }
}

/// `ipam` with the subnets that it leaves to be chosen.
fn resolved(mut ipam: Ipam, subnets: &Subnets) -> Ipam {
    ipam.subnet = subnets.resolve(ipam.subnet);
    for range in ipam.ranges.iter_mut().flatten() {
        range.subnet = subnets.resolve(range.subnet.take());
    }
    ipam
}

/// The sets in the order that the numbers in `last_reserved_ip.N` count: those of the runtime, the one of an old
/// configuration, those of `ipam.ranges`.
fn range_sets(ipam: &Ipam, runtime: &RuntimeConfig, version: Version) -> Result<Vec<RangeSet>> {
    let excluded = parse_blocks(&ipam.exclude, "ipam.exclude")?;
    let legacy = ipam.subnet.is_some().then(|| {
        let range = RangeConf {
            subnet: ipam.subnet.clone(),
            range_start: ipam.range_start.clone(),
            range_end: ipam.range_end.clone(),
            gateway: ipam.gateway.clone(),
            exclude: Vec::new(),
        };
        ("ipam".to_owned(), vec![range])
    });
    let keyed = |key: &'static str, sets: &[Vec<RangeConf>]| -> Vec<(String, Vec<RangeConf>)> {
        sets.iter().enumerate().map(|(i, set)| (format!("{key}[{i}]"), set.clone())).collect()
    };
    let sets = keyed("runtimeConfig.ipRanges", &runtime.ip_ranges)
        .into_iter()
        .chain(legacy)
        .chain(keyed("ipam.ranges", &ipam.ranges))
        .enumerate()
        .map(|(n, (key, set))| range_set(n, &key, &set, &excluded))
        .collect::<Result<Vec<RangeSet>>>()?;
    check_expressible(&sets, version)?;
    check_apart(&sets)?;
    Ok(sets)
}

fn range_set(n: usize, key: &str, set: &[RangeConf], excluded: &[Block]) -> Result<RangeSet> {
    RangeSet::new(set, key, excluded).map_err(|error| error.context(format!("invalid range set {n}")))
}

/// Before 0.3.0 a result had place for one address per family.
fn check_expressible(sets: &[RangeSet], version: Version) -> Result<()> {
    let v4 = sets.iter().filter(|set| set.is_ipv4()).count();
    let v6 = sets.len() - v4;
    if version >= Version::V0_3_0 || v4.max(v6) <= 1 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "CNI version {version} does not support more than 1 address per family, the configuration has {v4} range sets \
         of IPv4 and {v6} of IPv6"
    )))
}

fn check_apart(sets: &[RangeSet]) -> Result<()> {
    for (i, one) in sets.iter().enumerate() {
        if let Some((j, other)) = sets.iter().enumerate().skip(i + 1).find(|(_, other)| one.overlaps(other)) {
            return Err(Error::invalid(format!("range set {i} overlaps with {j}: {one} and {other}")));
        }
    }
    Ok(())
}

/// The addresses that somebody wants. The three ways to ask add up, but for an address from `CNI_ARGS` in a set that `args`
/// asks one of: who understands `args` ignores the same thing in `CNI_ARGS` (CONVENTIONS.md).
fn requested(conf: &Conf, runtime: &RuntimeConfig, args: &str, sets: &[PlannedSet]) -> Result<Vec<IpAddr>> {
    let mut requested = Vec::new();
    let args = cni::args::parse(args, &["IP"])?;
    for text in args.get("IP").into_iter().flat_map(|list| list.split(',')).filter(|text| !text.is_empty()) {
        let ip = parse_requested(text).ok_or_else(|| {
            Error::new(
                Code::InvalidEnvironment,
                format!("ARGS: \"IP={text}\" is not an IP address, with or without a prefix length"),
            )
        })?;
        requested.push(ip);
    }
    let by_args = parse_list("args.cni.ips", &conf.args()?.cni.ips)?;
    let of_one_set = |a: IpAddr, b: IpAddr| sets.iter().any(|set| set.ranges.contains(a) && set.ranges.contains(b));
    requested.retain(|ip| !by_args.iter().any(|other| of_one_set(*ip, *other)));
    requested.extend(by_args);
    requested.extend(parse_list("runtimeConfig.ips", &runtime.ips)?);
    Ok(requested)
}

fn parse_list(key: &str, list: &[String]) -> Result<Vec<IpAddr>> {
    let parse = |(i, text): (usize, &String)| {
        parse_requested(text).ok_or_else(|| {
            Error::invalid(format!("\"{key}[{i}]\": \"{text}\" is not an IP address, with or without a prefix length"))
        })
    };
    list.iter().enumerate().filter(|(_, text)| !text.is_empty()).map(parse).collect()
}

/// The prefix length is that of the range, whatever the request says.
fn parse_requested(text: &str) -> Option<IpAddr> {
    cni::parse_ip(text).or_else(|| cni::parse_cidr(text).map(|cidr| cidr.ip()))
}

/// Gives each requested address to the set that it lies in; a set hands out one.
fn place(requested: &[IpAddr], sets: &mut [PlannedSet]) -> Result<()> {
    let mut homeless = Vec::new();
    for (i, ip) in requested.iter().enumerate() {
        if requested.iter().take(i).any(|before| before == ip) {
            continue;
        }
        match sets.iter_mut().find(|set| set.requested.is_none() && set.ranges.contains(*ip)) {
            Some(set) => set.requested = Some(*ip),
            None => homeless.push(ip.to_string()),
        }
    }
    if !homeless.is_empty() {
        let sets: Vec<String> = sets.iter().map(|set| format!("[{}]", set.ranges)).collect();
        return Err(Error::invalid(format!(
            "requested addresses {} are in no range set that has one to give: one address is handed out of each of {}",
            homeless.join(" "),
            sets.join(" ")
        ))
        .details(format!("failed to allocate all requested IPs: {}", homeless.join(" "))));
    }
    sets.iter().try_for_each(check_requested)
}

fn check_requested(set: &PlannedSet) -> Result<()> {
    let Some((ip, range)) = set.requested.and_then(|ip| Some((ip, set.ranges.range_of(ip)?))) else { return Ok(()) };
    if ip == range.gateway() {
        return Err(Error::invalid(format!("requested address {ip} is the gateway of range {range}"))
            .details(format!("requested ip {ip} is subnet's gateway")));
    }
    if range.excludes(ip) {
        return Err(Error::invalid(format!("requested address {ip} is excluded from range {range} by \"exclude\"")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
