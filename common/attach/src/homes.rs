//! Homes as values: subnets, and the links that they are behind. Pure.

use std::{collections::HashMap, iter, net::IpAddr};

use ipnetwork::IpNetwork;
use nft::{Element, Key, Value};

/// A subnet and the link that it is behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Home {
    pub(crate) subnet: IpNetwork,
    pub(crate) link: String,
}

impl Home {
    /// The subnet of `address`, behind `link`.
    pub(crate) fn new(address: IpNetwork, link: &str) -> Self {
        // The prefix is that of a network already.
        let subnet = IpNetwork::new(address.network(), address.prefix()).unwrap_or(address);
        Self { subnet, link: link.to_owned() }
    }

    /// Whether all of `subnet` is in it.
    pub(crate) fn holds(&self, subnet: &IpNetwork) -> bool {
        holds(&self.subnet, subnet)
    }
}

/// What an element of the links' set says.
pub(crate) fn home_of(element: &Element) -> Option<Home> {
    let (first, link) = parts(&element.key)?;
    let (last, _) = parts(element.last())?;
    Some(Home { subnet: network_of(first, last)?, link })
}

/// What an element of the subnets' set says.
pub(crate) fn subnet_of(element: &Element) -> Option<IpNetwork> {
    network_of(address(&element.key)?, address(element.last())?)
}

fn address(key: &Key) -> Option<IpAddr> {
    match key.values() {
        [Value::Ipv4(ip)] => Some((*ip).into()),
        [Value::Ipv6(ip)] => Some((*ip).into()),
        _ => None,
    }
}

fn parts(key: &Key) -> Option<(IpAddr, String)> {
    match key.values() {
        [Value::Ipv4(ip), Value::Ifname(link)] => Some(((*ip).into(), link.as_str().to_owned())),
        [Value::Ipv6(ip), Value::Ifname(link)] => Some(((*ip).into(), link.as_str().to_owned())),
        _ => None,
    }
}

/// The network whose addresses are those from `first` to `last`.
fn network_of(first: IpAddr, last: IpAddr) -> Option<IpNetwork> {
    let (differing, width) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (u128::from(u32::from(first) ^ u32::from(last)), 32),
        (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(first) ^ u128::from(last), 128),
        _ => return None,
    };
    let host_bits = 128 - differing.leading_zeros();
    IpNetwork::new(first, u8::try_from(width - host_bits).ok()?).ok().filter(|network| network.broadcast() == last)
}

/// Whether all of `inner` is in `outer`.
pub(crate) fn holds(outer: &IpNetwork, inner: &IpNetwork) -> bool {
    outer.prefix() <= inner.prefix() && outer.contains(inner.network())
}

/// Homes, of which none of a link is within another of the same link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Homes(Vec<Home>);

impl Homes {
    pub(crate) fn new(homes: impl IntoIterator<Item = Home>) -> Self {
        let mut homes: Vec<Home> = homes.into_iter().collect();
        homes.sort();
        homes.dedup();
        let mut of_link: HashMap<&str, Vec<&Home>> = HashMap::new();
        for home in &homes {
            of_link.entry(&home.link).or_default().push(home);
        }
        let within_another = |home: &Home| {
            let others = of_link.get(home.link.as_str()).into_iter().flatten();
            others.into_iter().any(|other| *other != home && other.holds(&home.subnet))
        };
        Self(homes.iter().filter(|home| !within_another(home)).cloned().collect())
    }

    /// These and `more`.
    pub(crate) fn with(&self, more: &[Home]) -> Self {
        Self::new(self.0.iter().chain(more).cloned())
    }

    /// These without `some`.
    pub(crate) fn without(&self, some: &[Home]) -> Self {
        Self::new(self.0.iter().filter(|home| !some.contains(home)).cloned())
    }

    /// Those that are `wanted`.
    pub(crate) fn only(&self, wanted: impl Fn(&Home) -> bool) -> Self {
        Self(self.0.iter().filter(|home| wanted(home)).cloned().collect())
    }

    /// Those behind `bridge` itself or one of its VLAN interfaces.
    pub(crate) fn behind(&self, bridge: &str) -> Vec<Home> {
        let of_bridge =
            |link: &str| link.strip_prefix(bridge).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.0.iter().filter(|home| of_bridge(&home.link)).cloned().collect()
    }

    /// Those behind one of exactly these links.
    pub(crate) fn at(&self, links: &[String]) -> Vec<Home> {
        self.0.iter().filter(|home| links.contains(&home.link)).cloned().collect()
    }

    /// The links that something is behind.
    pub(crate) fn links(&self) -> Vec<String> {
        links_of(&self.0)
    }
    /// Those that are not in `other`.
    pub(crate) fn less(&self, other: &Self) -> Vec<Home> {
        self.0.iter().filter(|home| !other.0.contains(home)).cloned().collect()
    }

    /// The subnets alone: of those that overlap, the largest.
    pub(crate) fn subnets(&self) -> Vec<IpNetwork> {
        let mut all: Vec<IpNetwork> = self.0.iter().map(|home| home.subnet).collect();
        all.sort();
        all.dedup();
        let within_another = |subnet: &IpNetwork| all.iter().any(|other| other != subnet && holds(other, subnet));
        all.iter().filter(|subnet| !within_another(subnet)).copied().collect()
    }
}

/// The links of some homes, each once.
pub(crate) fn links_of(homes: &[Home]) -> Vec<String> {
    let mut links: Vec<String> = homes.iter().map(|home| home.link.clone()).collect();
    links.sort();
    links.dedup();
    links
}

/// The bridges whose ports may be behind `link`: itself, and those that it may be a VLAN interface of.
pub(crate) fn bridges_of(link: &str) -> impl Iterator<Item = &str> {
    iter::successors(Some(link), |link| link.rsplit_once('.').map(|(stem, _)| stem)).filter(|link| !link.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes(texts: &[(&str, &str)]) -> Homes {
        Homes::new(texts.iter().map(|(subnet, link)| Home::new(subnet.parse().unwrap(), link)))
    }

    fn subnets(homes: &Homes) -> Vec<String> {
        homes.subnets().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn smaller_subnets_of_one_link_are_within_larger() {
        let all = homes(&[("10.1.0.7/16", "a"), ("10.0.0.0/8", "a"), ("10.2.0.0/16", "b"), ("fd00::1/64", "a")]);
        assert_eq!(all, homes(&[("10.0.0.0/8", "a"), ("10.2.0.0/16", "b"), ("fd00::/64", "a")]));
        assert_eq!(subnets(&all), ["10.0.0.0/8", "fd00::/64"]);
    }

    #[test]
    fn smaller_subnet_comes_back_when_the_larger_goes() {
        let both = homes(&[("10.0.0.0/8", "a"), ("10.2.0.0/16", "b")]);
        let one = both.without(&both.behind("a"));
        assert_eq!(subnets(&both), ["10.0.0.0/8"]);
        assert_eq!(subnets(&one), ["10.2.0.0/16"]);
        assert_eq!(both.less(&one), both.behind("a"));
    }

    #[test]
    fn vlan_interfaces_belong_to_their_bridge() {
        let all = homes(&[("10.0.0.0/8", "br"), ("11.0.0.0/8", "br.5"), ("12.0.0.0/8", "br5")]);
        assert_eq!(all.behind("br"), homes(&[("10.0.0.0/8", "br"), ("11.0.0.0/8", "br.5")]).0);
        assert_eq!(all.at(&["br".into()]), homes(&[("10.0.0.0/8", "br")]).0);
        assert_eq!(bridges_of("br.5.6").collect::<Vec<_>>(), ["br.5.6", "br.5", "br"]);
        assert_eq!(bridges_of(".5").collect::<Vec<_>>(), [".5"]);
    }

    #[test]
    fn equal_subnets_of_two_links_are_one_to_masquerade() {
        let both = homes(&[("10.0.0.0/8", "a"), ("10.0.0.0/8", "b")]);
        assert_eq!(subnets(&both), ["10.0.0.0/8"]);
        assert_eq!(subnets(&both.without(&both.behind("a"))), ["10.0.0.0/8"]);
    }

    #[test]
    fn networks_are_read_back_from_their_first_and_last_address() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00::/64", "fd00::1/128"] {
            let network: IpNetwork = text.parse().unwrap();
            assert_eq!(network_of(network.network(), network.broadcast()), Some(network));
        }
        assert_eq!(network_of("10.0.0.1".parse().unwrap(), "10.0.0.6".parse().unwrap()), None);
    }
}
