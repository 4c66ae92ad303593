//! Which subnet a network gets that has none: the first of the pools that overlaps nothing. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni::{Code, Error, Result};
use ipnetwork::IpNetwork;
use sha2::{Digest, Sha512};

use crate::{block::Block, conf::PoolConf, range::parse_subnet};

/// 10.200.0.0 to 10.207.255.255, and the upper half of 192.168.0.0/16: 2,176 networks, away from what Docker, podman, Kubernetes' usual
/// network plugins and home routers take by default.
const POOLS: [([u8; 4], u8); 2] = [([10, 200, 0, 0], 13), ([192, 168, 128, 0], 17)];
const POOLS_LENGTH: u8 = 24;
/// The subnets of an IPv6 site (RFC 4291, section 2.5.4).
const SITE_LENGTH: u8 = 64;

/// A network that subnets are cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    base: IpNetwork,
    length: u8,
}

impl Pool {
    /// The pools of a configuration, or the usual ones of a host.
    ///
    /// # Errors
    /// Code 7 for what is no network, and for subnets that are larger than their pool, or have no room for a gateway and a container.
    pub fn all(conf: &[PoolConf], host_id: &str) -> Result<Vec<Self>> {
        if conf.is_empty() {
            return Ok(usual(host_id));
        }
        conf.iter().enumerate().map(|(i, pool)| Self::new(pool, &format!("ipam.pools[{i}]"))).collect()
    }

    fn new(conf: &PoolConf, key: &str) -> Result<Self> {
        let base = parse_subnet(conf.base.as_deref(), &format!("{key}.base"))?;
        let (usual, longest) = if base.is_ipv4() { (POOLS_LENGTH, 30) } else { (SITE_LENGTH, 126) };
        let length = conf.size.unwrap_or_else(|| usual.max(base.prefix()).into());
        let allowed = i64::from(base.prefix())..=longest;
        match u8::try_from(length).ok().filter(|_| allowed.contains(&length)) {
            Some(length) => Ok(Self { base, length }),
            None => Err(Error::invalid(format!(
                "\"{key}.size\" {length}: it must be a prefix length of {} to {longest}, for subnets of {base}",
                base.prefix()
            ))),
        }
    }

    /// Its subnets, in order.
    fn subnets(self) -> impl Iterator<Item = IpNetwork> {
        // Beyond 65536 networks somebody else's mistake is more likely than a use.
        let count = 1_u32 << (self.length - self.base.prefix()).min(16);
        (0..count).filter_map(move |number| {
            let ip: IpAddr = match self.base.network() {
                IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() + (number << (32 - self.length))).into(),
                IpAddr::V6(base) => {
                    Ipv6Addr::from_bits(base.to_bits() + (u128::from(number) << (128 - self.length))).into()
                }
            };
            IpNetwork::new(ip, self.length).ok()
        })
    }
}

/// A ULA prefix of the host's own beside the usual pools (RFC 4193): 40 bits that follow from what identifies it.
fn usual(host_id: &str) -> Vec<Pool> {
    let digest = Sha512::digest(format!("ula {host_id}"));
    let global = digest.iter().take(5).fold(0xfd_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let v4 = POOLS.into_iter().map(|(base, length)| (IpAddr::from(base), length, POOLS_LENGTH));
    let all = v4.chain([(Ipv6Addr::from_bits(global << 80).into(), 48, SITE_LENGTH)]);
    all.filter_map(|(base, prefix, length)| Some(Pool { base: IpNetwork::new(base, prefix).ok()?, length })).collect()
}

/// What a subnet must not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Never: other networks, what is on the host's links, name servers.
    pub by_others: Vec<IpNetwork>,
    /// Not while there is another one: what lies behind routers of the host's.
    pub beyond: Vec<IpNetwork>,
}

/// The first subnet of a family that is not taken.
///
/// # Errors
/// Code 102 if there is none; it names the pools.
pub fn first_free(pools: &[Pool], v4: bool, taken: &Taken) -> Result<IpNetwork> {
    let of_family = || pools.iter().filter(|pool| pool.base.is_ipv4() == v4);
    let free =
        |wanted: &dyn Fn(&IpNetwork) -> bool| of_family().flat_map(|pool| pool.subnets()).find(|one| wanted(one));
    let is_free = |one: &IpNetwork, taken: &[IpNetwork]| !taken.iter().any(|other| overlaps(one, other));
    free(&|one| is_free(one, &taken.by_others) && is_free(one, &taken.beyond))
        .or_else(|| free(&|one| is_free(one, &taken.by_others)))
        .ok_or_else(|| {
            let pools: Vec<String> = of_family().map(|pool| format!("{} by /{}", pool.base, pool.length)).collect();
            let family = if v4 { "IPv4" } else { "IPv6" };
            let pools = if pools.is_empty() { "there is none".to_owned() } else { pools.join(", ") };
            Error::new(Code::Exhausted, format!("choose an {family} subnet from the pools: {pools}, all in use"))
        })
}

/// Whether an address is in both.
pub fn overlaps(one: &IpNetwork, other: &IpNetwork) -> bool {
    Block::from(*one).overlaps(&Block::from(*other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNetwork> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn chosen(pools: &[Pool], v4: bool, by_others: &[&str], beyond: &[&str]) -> String {
        let taken = Taken { by_others: nets(by_others), beyond: nets(beyond) };
        first_free(pools, v4, &taken).unwrap().to_string()
    }

    fn pool(base: &str, size: Option<i64>) -> Result<Pool> {
        Pool::new(&PoolConf { base: Some(base.into()), size }, "ipam.pools[0]")
    }

    #[test]
    fn usual_pools_have_room_for_a_thousand_networks() {
        let pools = Pool::all(&[], "a").unwrap();
        let mut all: Vec<IpNetwork> = pools.iter().flat_map(|pool| pool.subnets()).filter(IpNetwork::is_ipv4).collect();
        assert_eq!(all.len(), 2176);
        assert_eq!(first_free(&pools, true, &Taken::default()).unwrap(), all[0]);
        let last = all.pop().unwrap();
        let mut taken = Taken { by_others: all, ..Taken::default() };
        assert_eq!(first_free(&pools, true, &taken).unwrap(), last);
        taken.by_others.push(last);
        let error = first_free(&pools, true, &taken).unwrap_err();
        assert_eq!(error.code, Code::Exhausted);
        assert!(error.msg.contains("10.200.0.0/13 by /24, 192.168.128.0/17 by /24"), "{error}");
    }

    #[test]
    fn taken_subnets_are_left_out_and_what_lies_behind_routers_if_possible() {
        let pools = [pool("10.0.0.0/22", None).unwrap()];
        assert_eq!(chosen(&pools, true, &["10.0.0.128/25", "10.0.1.7/32"], &["10.0.2.0/24"]), "10.0.3.0/24");
        assert_eq!(chosen(&pools, true, &["10.0.0.0/24"], &["10.0.0.0/8"]), "10.0.1.0/24");
        assert_eq!(chosen(&pools, true, &["fd00::/8"], &[]), "10.0.0.0/24");
    }

    #[test]
    fn site_of_a_host_is_its_own_and_local() {
        let of = |id: &str| chosen(&Pool::all(&[], id).unwrap(), false, &[], &[]);
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert!(of("a").starts_with("fd") && of("a").ends_with("/64"), "{}", of("a"));
    }

    #[test]
    fn pools_are_checked() {
        assert!(
            pool("10.0.0.0/16", Some(26)).is_ok()
                && pool("10.0.0.0/30", None).is_ok()
                && pool("fd00::/8", None).is_ok()
        );
        for (base, size) in [("10.0.0.0/16", 15), ("10.0.0.0/16", 31), ("10.0.0.0/16", -1), ("fd00::/48", 127)] {
            let msg = pool(base, Some(size)).unwrap_err().msg;
            assert!(msg.contains(&format!("\"ipam.pools[0].size\" {size}: it must be")), "{msg}");
        }
        assert!(pool("10.0.0.1/16", None).unwrap_err().msg.contains("\"ipam.pools[0].base\""));
    }
}
