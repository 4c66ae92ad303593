//! What an ADD is going to do: the configuration with its defaults, checked. Nothing here touches the kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use attach::{
    exposure::{Exposure, Mode},
    first_host,
    ip_masq::Backend,
    keys,
};
use cni::{Dns, Error, IpConfig, Result, Route, Success, check_ifname};
use ipnetwork::IpNetwork;
use net::{Mac, PortChange};

use crate::{conf::Conf, reach::Reach, vlan::Vlans};

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration")]
pub struct Plan {
    /// The bridge's name.
    pub bridge: String,
    /// The bridge goes with the last attachment, if it was made here.
    pub ephemeral: bool,
    /// The MTU of a new bridge and of the container's link; unset is the kernel's choice.
    pub mtu: Option<u32>,
    /// Whether the bridge is promiscuous.
    pub promisc: bool,
    /// The container's hardware address; unset is a random one.
    pub mac: Option<Mac>,
    /// Who reaches the network, and what it reaches.
    pub reach: Reach,
    /// An address in the gateway's way is removed.
    pub force_address: bool,
    /// What leaves the network is masqueraded, if it is.
    pub masquerade: Option<Backend>,
    /// Only frames from the container's own hardware address pass.
    pub spoof_check: bool,
    /// IPv6 addresses are probed for other owners.
    pub detect_duplicates: bool,
    /// The container's interface is up.
    pub up: bool,
    /// What differs from a new port's settings.
    pub port: PortChange,
    /// The port's VLANs.
    pub vlans: Vlans,
    /// Name servers that go before those of the delegate.
    pub dns: Dns,
}

impl Plan {
    /// Checks the configuration; `cni_args` is `CNI_ARGS`.
    pub fn new(conf: &Conf, cni_args: &str, has_ipam: bool) -> Result<Self> {
        let bridge = keys::link_name("bridge", conf.bridge())?;
        if conf.hairpin_mode && conf.promisc_mode {
            return Err(Error::invalid(
                "cannot set hairpin mode and promiscuous mode at the same time: \"hairpinMode\" or \"promiscMode\" must be false",
            ));
        }
        if conf.disable_container_interface && has_ipam {
            return Err(Error::invalid(
                "cannot use IPAM when DisableContainerInterface flag is set: remove \"ipam\" or \"disableContainerInterface\"",
            ));
        }
        let vlans = Vlans::new(conf)?;
        let reach = Reach::new(conf)?;
        let plan = Self {
            bridge,
            ephemeral: conf.ephemeral,
            mtu: keys::mtu(conf.mtu, keys::MTU_MAX, "")?,
            promisc: conf.promisc_mode,
            mac: mac(conf, cni_args)?,
            force_address: conf.force_address,
            masquerade: Backend::of(reach.masquerade(), conf.ip_masq_backend.as_deref())?,
            spoof_check: conf.macspoofchk,
            detect_duplicates: conf.enabledad,
            up: !conf.disable_container_interface,
            port: PortChange {
                hairpin: conf.hairpin_mode.then_some(true),
                isolated: (conf.port_isolation || reach.apart()).then_some(true),
            },
            reach,
            vlans,
            dns: conf.dns.clone(),
        };
        if plan.reach.gateway() || plan.masquerade.is_some() || plan.exposure().is_some() {
            check_ifname(&plan.gateway_link()).map_err(|error| {
                Error::invalid(format!("name gateway interface \"{}\": {}", plan.gateway_link(), error.msg))
            })?;
        }
        Ok(plan)
    }

    /// The host's interface that has the gateway's address: the bridge, or its interface in the native VLAN.
    pub fn gateway_link(&self) -> String {
        match self.vlans.native {
            None => self.bridge.clone(),
            Some(vlan) => format!("{}.{vlan}", self.bridge),
        }
    }

    /// What the firewall has to see to, if anything.
    pub fn exposure(&self) -> Option<Exposure> {
        self.reach.exposure(&self.gateway_link())
    }

    /// Of `subnets` those that are masqueraded.
    pub fn masqueraded(&self, subnets: &[IpNetwork]) -> Vec<IpNetwork> {
        subnets.iter().copied().filter(|subnet| self.reach.of(subnet).masquerade).collect()
    }

    /// The gateways that are on the host, each with its network's prefix: the addresses of the gateway's interface.
    pub fn gateway_addresses(&self, ips: &[IpConfig]) -> Vec<IpNetwork> {
        let with_prefix = |ip: &IpConfig| IpNetwork::new(ip.gateway?, ip.address.prefix()).ok();
        let on_host = |address: &IpNetwork| self.reach.of(address).gateway;
        let mut addresses: Vec<IpNetwork> = ips.iter().filter_map(with_prefix).filter(on_host).collect();
        addresses.dedup();
        addresses
    }

    /// The delegate's result with the gateways and default routes that the configuration asks for. What is internal has no
    /// default route, and what is isolated no gateway.
    pub fn complete(&self, mut lease: Success) -> Success {
        for ip in &mut lease.ips {
            let family = self.reach.of(&ip.address);
            if family.mode == Some(Mode::Isolated) {
                ip.gateway = None;
            } else if family.gateway {
                ip.gateway = ip.gateway.or_else(|| first_host(&ip.address));
            }
        }
        lease.routes.retain(|route| !route.is_default() || !self.reach.is_internal(&route.dst));
        for family in [Family::V4, Family::V6] {
            if self.reach.of(&family.everything()).default_gateway {
                family.add_default_route(&lease.ips, &mut lease.routes);
            }
        }
        lease
    }
}

/// What to do about an address that the gateway's interface is to have.
#[derive(Debug, PartialEq, Eq)]
pub enum Address {
    /// It is there.
    Present,
    /// It can be added once these are removed.
    Missing(Vec<IpNetwork>),
}

/// Compares a gateway's address with those that its interface has.
///
/// Any other IPv4 address is in the way; of IPv6 addresses only those of a prefix that overlaps.
pub fn gateway_address(wanted: &IpNetwork, present: &[IpNetwork]) -> Address {
    if present.contains(wanted) {
        return Address::Present;
    }
    let in_the_way = |other: &&IpNetwork| match (wanted, other) {
        (IpNetwork::V4(_), IpNetwork::V4(_)) => true,
        (IpNetwork::V6(wanted), IpNetwork::V6(other)) => wanted.overlaps(*other),
        _ => false,
    };
    Address::Missing(present.iter().filter(in_the_way).copied().collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(network: &IpNetwork) -> Self {
        if network.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn everything(self) -> IpNetwork {
        let any: IpAddr = if self == Self::V4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // A prefix of 0 bits exists in either family.
        IpNetwork::new(any, 0).unwrap_or_else(|_| any.into())
    }

    /// A default route of the delegate that names no next hop gets the gateway; with none at all one is added.
    fn add_default_route(self, ips: &[IpConfig], routes: &mut Vec<Route>) {
        let mut own = ips.iter().filter(|ip| Self::of(&ip.address) == self);
        let Some(gateway) = own.find_map(|ip| ip.gateway) else { return };
        let mut defaults = routes.iter_mut().filter(|route| route.is_default() && Self::of(&route.dst) == self);
        match defaults.next() {
            Some(route) => route.gw = route.gw.or(Some(gateway)),
            None => routes.push(Route { gw: Some(gateway), ..Route::to(self.everything()) }),
        }
    }
}

/// A later source goes before an earlier: `CNI_ARGS`, `args.cni.mac`, the capability `mac`.
fn mac(conf: &Conf, cni_args: &str) -> Result<Option<Mac>> {
    let args = cni::args::parse(cni_args, &["MAC"])?;
    let sources = [
        ("runtimeConfig.mac", conf.runtime_config.mac.as_deref()),
        ("args.cni.mac", conf.args.cni.mac.as_deref()),
        ("CNI_ARGS MAC", args.get("MAC").map(String::as_str)),
    ];
    keys::mac(sources)
}

#[cfg(test)]
mod tests;
