//! Ranges and range sets: which addresses may be handed out, and in which order.

use std::{fmt, iter, net::IpAddr};

use cni::{Error, Result};
use ipnetwork::IpNetwork;

use crate::{
    block::{self, Block, Blocks},
    conf::RangeConf,
};

/// Tells the first address of a block that has no lease.
pub type NextFree<'a> = dyn Fn(Block) -> Result<Option<IpAddr>> + 'a;

/// A run of addresses of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    subnet: IpNetwork,
    gateway: IpAddr,
    addresses: Block,
    excluded: Blocks,
}

/// Ranges of one family that do not overlap. One address is handed out of each set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeSet(Vec<Range>);

impl Range {
    /// The range that `conf`, the value of `key`, describes, without `excluded` and what it excludes itself.
    ///
    /// # Errors
    /// Code 7 with the key, the value and what is allowed.
    pub fn new(conf: &RangeConf, key: &str, excluded: &[Block]) -> Result<Self> {
        let subnet = parse_subnet(conf.subnet.as_deref(), &format!("{key}.subnet"))?;
        let network = Block::from(subnet);
        let address = |name: &str, text: &Option<String>| {
            text.as_deref().map(|text| parse_address(text, &format!("{key}.{name}"))).transpose()
        };
        let gateway = address("gateway", &conf.gateway)?;
        let start = address("rangeStart", &conf.range_start)?;
        let end = address("rangeEnd", &conf.range_end)?;

        let behind_network = block::next(network.first).unwrap_or(network.first);
        // The last address of an IPv4 network is its broadcast address.
        let before_broadcast = block::previous(network.last).filter(|_| subnet.is_ipv4()).unwrap_or(network.last);
        let first = start.unwrap_or(behind_network);
        let last = end.unwrap_or(before_broadcast);
        let highest_start = end.unwrap_or(network.last);
        if !(Block { first: network.first, last: highest_start }).contains(first) {
            let limit = end.map(|end| format!(" up to \"rangeEnd\" {end}")).unwrap_or_default();
            return Err(Error::invalid(format!("\"{key}.rangeStart\": {first} is not in network {subnet}{limit}"))
                .details(format!("RangeStart {first} not in network {subnet}")));
        }
        if !(Block { first, last: network.last }).contains(last) {
            return Err(Error::invalid(format!(
                "\"{key}.rangeEnd\": {last} is not in network {subnet} from {first} on"
            ))
            .details(format!("RangeEnd {last} not in network {subnet}")));
        }
        let own = parse_blocks(&conf.exclude, &format!("{key}.exclude"))?;
        Ok(Self {
            subnet,
            gateway: gateway.unwrap_or(behind_network),
            addresses: Block { first, last },
            excluded: excluded.iter().copied().chain(own).collect(),
        })
    }

    /// The network's gateway.
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Whether `ip` is one of those that are never handed out.
    pub fn excludes(&self, ip: IpAddr) -> bool {
        self.excluded.around(ip).is_some()
    }

    /// `ip` with the length of the network's prefix.
    pub fn with_prefix(&self, ip: IpAddr) -> Option<IpNetwork> {
        IpNetwork::new(ip, self.subnet.prefix()).ok()
    }

    /// The first address of `part` that may be handed out. A step of the loop passes the gateway or a whole excluded
    /// block, never just a number.
    fn first_free(&self, part: Block, next_free: &NextFree) -> Result<Option<IpAddr>> {
        let mut rest = part;
        while rest.first <= rest.last {
            let Some(candidate) = next_free(rest)? else { break };
            let passed = match self.excluded.around(candidate) {
                Some(excluded) => excluded.last,
                None if candidate == self.gateway => candidate,
                None => return Ok(Some(candidate)),
            };
            let Some(first) = block::next(passed) else { break };
            rest.first = first;
        }
        Ok(None)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addresses.fmt(f)
    }
}

impl RangeSet {
    /// The set that `conf`, the value of `key`, describes.
    ///
    /// # Errors
    /// Code 7 for an invalid range, no range, ranges of both families, and ranges that overlap.
    pub fn new(conf: &[RangeConf], key: &str, excluded: &[Block]) -> Result<Self> {
        let mut ranges: Vec<Range> = Vec::new();
        for (i, conf) in conf.iter().enumerate() {
            let key = if key == "ipam" { key.to_owned() } else { format!("{key}[{i}]") };
            let range = Range::new(conf, &key, excluded)?;
            for before in &ranges {
                if before.subnet.is_ipv4() != range.subnet.is_ipv4() {
                    return Err(Error::invalid(format!(
                        "\"{key}.subnet\": mixed address families, {} and {} cannot be in one set",
                        before.subnet, range.subnet
                    )));
                }
                if before.addresses.overlaps(&range.addresses) {
                    return Err(Error::invalid(format!("\"{key}\": subnets {before} and {range} overlap")));
                }
            }
            ranges.push(range);
        }
        if ranges.is_empty() {
            return Err(Error::invalid(format!("\"{key}\": empty range set, at least one range is needed")));
        }
        Ok(Self(ranges))
    }

    /// Whether the addresses are IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.0.iter().all(|range| range.subnet.is_ipv4())
    }

    /// The networks of the ranges.
    pub fn subnets(&self) -> impl Iterator<Item = IpNetwork> + '_ {
        self.0.iter().map(|range| range.subnet)
    }

    /// Whether an address is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|own| other.0.iter().any(|range| own.addresses.overlaps(&range.addresses)))
    }

    /// Whether `ip` is in one of the ranges, even if it is never handed out.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.range_of(ip).is_some()
    }

    /// The range that `ip` is in.
    pub fn range_of(&self, ip: IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.addresses.contains(ip))
    }

    /// How many addresses of the ranges are excluded.
    pub fn excluded(&self) -> u128 {
        self.0.iter().fold(0, |sum, range| sum.saturating_add(range.excluded.shared(&range.addresses)))
    }

    /// The first free address behind `last_reserved`, going round once, and its range. Addresses of containers that
    /// have gone are so reused as late as possible.
    pub fn first_free(&self, last_reserved: Option<IpAddr>, next_free: &NextFree) -> Result<Option<(IpAddr, &Range)>> {
        for (range, part) in self.round(last_reserved) {
            if let Some(ip) = range.first_free(part, next_free)? {
                return Ok(Some((ip, range)));
            }
        }
        Ok(None)
    }

    /// The parts of the ranges in the order of allocation: from behind `last_reserved` up to and with it, or from the
    /// start if that is not in the set any more.
    fn round(&self, last_reserved: Option<IpAddr>) -> Vec<(&Range, Block)> {
        let whole = |range| -> (&Range, Block) { (range, range.addresses) };
        let begin = last_reserved.and_then(|last| {
            let at = self.0.iter().position(|range| range.addresses.contains(last))?;
            Some((at, self.0.get(at)?, last))
        });
        let Some((at, range, last_reserved)) = begin else { return self.0.iter().map(whole).collect() };
        let Block { first, last } = range.addresses;
        let rest = block::next(last_reserved).filter(|next| *next <= last).map(|next| Block { first: next, last });
        rest.into_iter()
            .map(|rest| (range, rest))
            .chain(self.0.iter().skip(at + 1).map(whole))
            .chain(self.0.iter().take(at).map(whole))
            .chain(iter::once((range, Block { first, last: last_reserved })))
            .collect()
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

/// The blocks that a list of addresses and CIDRs, the value of `key`, names.
///
/// # Errors
/// Code 7 for anything else, and for host bits: whether `10.0.0.5/24` means one address or 256 is anybody's guess.
pub fn parse_blocks(texts: &[String], key: &str) -> Result<Vec<Block>> {
    let parse = |(i, text): (usize, &String)| {
        if let Some(ip) = cni::parse_ip(text) {
            return Ok(Block::from(ip));
        }
        let network = cni::parse_cidr(text)
            .ok_or_else(|| Error::invalid(format!("\"{key}[{i}]\": \"{text}\" is neither an IP address nor a CIDR")))?;
        check_host_bits(network, &format!("{key}[{i}]"))?;
        Ok(Block::from(network))
    };
    texts.iter().enumerate().map(parse).collect()
}

fn parse_address(text: &str, key: &str) -> Result<IpAddr> {
    cni::parse_ip(text).ok_or_else(|| Error::invalid(format!("\"{key}\": \"{text}\" is not an IP address")))
}

/// The network that `text`, the value of `key`, is.
pub fn parse_subnet(text: Option<&str>, key: &str) -> Result<IpNetwork> {
    let text = text
        .ok_or_else(|| Error::invalid(format!("\"{key}\" is missing, a network such as \"10.1.0.0/16\" is needed")))?;
    let subnet = cni::parse_cidr(text).ok_or_else(|| {
        Error::invalid(format!("\"{key}\": \"{text}\" is not a network with its prefix length (CIDR)"))
    })?;
    let longest = if subnet.is_ipv4() { 30 } else { 126 };
    if subnet.prefix() > longest {
        return Err(Error::invalid(format!(
            "\"{key}\": network {subnet} too small to allocate from, use /{longest} or less"
        ))
        .details(format!("Network {subnet} too small to allocate from")));
    }
    check_host_bits(subnet, key)?;
    Ok(subnet)
}

fn check_host_bits(cidr: IpNetwork, key: &str) -> Result<()> {
    if cidr.ip() == cidr.network() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "\"{key}\": {cidr} has host bits set, the network is {}/{}",
        cidr.network(),
        cidr.prefix()
    ))
    .details(format!(
        "Network has host bits set. For a subnet mask of length {} the network address is {}",
        cidr.prefix(),
        cidr.network()
    )))
}

#[cfg(test)]
mod tests;
