//! Runs of addresses. Everything here costs as much as there are runs, however many addresses they have.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnetwork::IpNetwork;

/// A run of addresses of one family, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address, not below [`Block::first`].
    pub last: IpAddr,
}

/// Runs of addresses in ascending order with gaps between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocks(Vec<Block>);

/// The address behind `ip`, unless it is the last of its family.
pub fn next(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// The address before `ip`, unless it is the first of its family.
pub fn previous(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(ip) => ip.to_bits().checked_sub(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

impl Block {
    /// Whether `ip` is one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        // The order of addresses puts all of IPv4 before all of IPv6.
        self.first <= ip && ip <= self.last
    }

    /// Whether an address is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many addresses are in both; 2^128, which only `::/0` has, counts as one less.
    pub fn shared(&self, other: &Self) -> u128 {
        if !self.overlaps(other) {
            return 0;
        }
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (bits(last) - bits(first)).saturating_add(1)
    }
}

impl From<IpAddr> for Block {
    fn from(ip: IpAddr) -> Self {
        Self { first: ip, last: ip }
    }
}

impl From<IpNetwork> for Block {
    fn from(network: IpNetwork) -> Self {
        Self { first: network.network(), last: network.broadcast() }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Blocks {
    /// The block that `ip` is in.
    pub fn around(&self, ip: IpAddr) -> Option<Block> {
        let at = self.0.partition_point(|block| block.last < ip);
        self.0.get(at).copied().filter(|block| block.contains(ip))
    }

    /// How many addresses of `block` are in one of these.
    pub fn shared(&self, block: &Block) -> u128 {
        self.0.iter().fold(0, |sum, own| sum.saturating_add(own.shared(block)))
    }
}

impl FromIterator<Block> for Blocks {
    fn from_iter<I: IntoIterator<Item = Block>>(blocks: I) -> Self {
        let mut blocks: Vec<Block> = blocks.into_iter().collect();
        blocks.sort_by_key(|block| block.first);
        let mut apart: Vec<Block> = Vec::new();
        for block in blocks {
            match apart.last_mut() {
                Some(before) if touches(before, &block) => before.last = before.last.max(block.last),
                _ => apart.push(block),
            }
        }
        Self(apart)
    }
}

/// Whether `block`, which does not begin before `before`, begins in it or right behind it.
fn touches(before: &Block, block: &Block) -> bool {
    before.contains(block.first) || next(before.last) == Some(block.first)
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn block(first: &str, last: &str) -> Block {
        Block { first: ip(first), last: ip(last) }
    }

    fn network(text: &str) -> Block {
        text.parse::<IpNetwork>().unwrap().into()
    }

    #[test]
    fn neighbours_end_with_the_family() {
        assert_eq!(next(ip("10.0.0.255")), Some(ip("10.0.1.0")));
        assert_eq!(next(ip("255.255.255.255")), None);
        assert_eq!(next(ip("fd00::ffff")), Some(ip("fd00::1:0")));
        assert_eq!(next(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")), None);
        assert_eq!(previous(ip("10.0.1.0")), Some(ip("10.0.0.255")));
        assert_eq!(previous(ip("0.0.0.0")), None);
        assert_eq!(previous(ip("::")), None);
    }

    #[test]
    fn overlap_counts_shared_addresses() {
        let half = network("10.0.0.0/25");
        assert_eq!(half.shared(&network("10.0.0.0/24")), 128);
        assert_eq!(half.shared(&network("10.0.0.128/25")), 0);
        assert_eq!(half.shared(&network("fd00::/64")), 0);
        assert_eq!(network("::/0").shared(&network("::/0")), u128::MAX);
        assert!(half.overlaps(&block("10.0.0.127", "10.0.0.200")));
        assert!(!half.overlaps(&block("10.0.0.128", "10.0.0.200")));
    }

    #[test]
    fn blocks_merge_what_touches() {
        let blocks: Blocks =
            [network("10.0.0.128/25"), ip("10.0.0.5").into(), network("10.0.0.64/26"), network("fd00::/64")]
                .into_iter()
                .collect();
        assert_eq!(blocks.0, [ip("10.0.0.5").into(), block("10.0.0.64", "10.0.0.255"), network("fd00::/64")]);
        assert_eq!(blocks.around(ip("10.0.0.100")), Some(block("10.0.0.64", "10.0.0.255")));
        assert_eq!(blocks.around(ip("10.0.0.6")), None);
        assert_eq!(blocks.around(ip("fd01::")), None);
        assert_eq!(blocks.shared(&network("10.0.0.0/24")), 193);
    }

    #[test]
    fn nested_blocks_are_swallowed() {
        let blocks: Blocks =
            [network("10.0.0.0/24"), ip("10.0.0.5").into(), ip("10.0.1.0").into()].into_iter().collect();
        assert_eq!(blocks.0, [block("10.0.0.0", "10.0.1.0")]);
    }

    #[test]
    fn families_never_merge() {
        let blocks: Blocks = [ip("255.255.255.255").into(), ip("::").into()].into_iter().collect();
        assert_eq!(blocks.0.len(), 2);
    }
}
