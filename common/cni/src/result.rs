//! The one internal form of a result: that of the newest version. Other versions exist only in [`crate::wire`].

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address;

/// What an ADD has made (spec: section 5, "Success").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Success {
    /// Interfaces of the container and of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Addresses of the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpConfig>,
    /// Routes of the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Name servers for the container.
    #[serde(skip_serializing_if = "Dns::is_empty")]
    pub dns: Dns,
    /// Published ports, where one of them was left to the plugin to choose. The specification has no such key; runtimes that
    /// know it are told. What another plugin means by it is handed on.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub port_mappings: Value,
}

/// An interface of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// The hardware address, where the interface has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The maximum transmission unit, in bytes. Since 1.1.0.
    #[serde(skip_serializing_if = "is_unset")]
    pub mtu: Option<u32>,
    /// `CNI_NETNS` as it was given, for an interface of the container; unset for one of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// Path of a socket that is the interface (vhost-user). Since 1.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_path: Option<String>,
    /// The PCI address of the device. Since 1.1.0.
    #[serde(rename = "pciID", skip_serializing_if = "Option::is_none")]
    pub pci_id: Option<String>,
}

/// An address of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpConfig {
    /// Index into [`Success::interfaces`]; a delegate that manages addresses leaves it unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<i64>,
    /// The address with the length of its network's prefix.
    #[serde(with = "address::cidr")]
    pub address: IpNetwork,
    /// The network's gateway. Does not make a route by itself.
    #[serde(default, with = "address::ip", skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// A route of a result. Numbers are the kernel's (rtnetlink(7)); 0 is unset except in `table` and `scope`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The destination.
    #[serde(with = "address::cidr")]
    pub dst: IpNetwork,
    /// The next hop; unset means the gateway of the address family's first address.
    #[serde(default, with = "address::ip", skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// Path MTU in bytes.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub mtu: Option<u32>,
    /// Maximum segment size to advertise to TCP peers, in bytes.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub advmss: Option<u32>,
    /// The metric: the lowest of the routes to a destination is used.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub priority: Option<u32>,
    /// The routing table; unset is the main table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// 0 global, 253 link, 254 host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

/// Name servers of a result or of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Dns {
    /// Addresses of name servers, the preferred one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Domains to look short names up in, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options for the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.nameservers.is_empty() && self.domain.is_none() && self.search.is_empty() && self.options.is_empty()
    }

    /// These servers behind earlier ones; of two domains the earlier stays.
    fn behind(self, earlier: &Self) -> Self {
        let both = |earlier: &[String], later: Vec<String>| {
            let new = later.into_iter().filter(|text| !earlier.contains(text));
            earlier.iter().cloned().chain(new.collect::<Vec<_>>()).collect()
        };
        Self {
            nameservers: both(&earlier.nameservers, self.nameservers),
            domain: earlier.domain.clone().or(self.domain),
            search: both(&earlier.search, self.search),
            options: both(&earlier.options, self.options),
        }
    }
}

impl Route {
    /// A route to `dst` with nothing else said.
    pub fn to(dst: IpNetwork) -> Self {
        Self { dst, gw: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }

    /// Whether it is the default route of its family.
    pub fn is_default(&self) -> bool {
        self.dst.prefix() == 0
    }
}

impl Success {
    /// The interface that an address belongs to, if it names one that exists.
    pub fn interface_of(&self, ip: &IpConfig) -> Option<&Interface> {
        self.interfaces.get(usize::try_from(ip.interface?).ok()?)
    }

    /// This result behind that of the plugin before, all of which stays and comes first.
    #[must_use]
    pub fn behind(self, earlier: &Self) -> Self {
        let shift = i64::try_from(earlier.interfaces.len()).unwrap_or(i64::MAX);
        let shifted = |ip: IpConfig| IpConfig { interface: ip.interface.map(|index| index + shift), ..ip };
        Self {
            interfaces: earlier.interfaces.iter().cloned().chain(self.interfaces).collect(),
            ips: earlier.ips.iter().cloned().chain(self.ips.into_iter().map(shifted)).collect(),
            routes: earlier.routes.iter().cloned().chain(self.routes).collect(),
            dns: self.dns.behind(&earlier.dns),
            port_mappings: if self.port_mappings.is_null() {
                earlier.port_mappings.clone()
            } else {
                self.port_mappings
            },
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "serde's skip_serializing_if hands over a reference"
)]
fn is_unset(number: &Option<u32>) -> bool {
    number.unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(value: serde_json::Value) -> Success {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn published_ports_are_handed_on_whoever_has_told_them() {
        let told = |ports: Value| result(json!({ "portMappings": ports }));
        let (earlier, nothing) = (told(json!([{ "hostPort": 1 }])), Success::default());
        assert_eq!(nothing.clone().behind(&earlier), earlier);
        assert_eq!(earlier.clone().behind(&nothing), earlier);
        let theirs = told(json!("another plugin's"));
        assert_eq!(nothing.behind(&theirs).port_mappings, "another plugin's");
        assert_eq!(serde_json::to_value(Success::default()).unwrap(), json!({}));
    }

    #[test]
    fn a_result_behind_another_has_both_and_its_indexes_move() {
        let earlier = result(json!({
            "interfaces": [{"name": "wlan0"}, {"name": "net1", "sandbox": "/n"}],
            "ips": [{"interface": 1, "address": "10.1.0.2/24"}, {"address": "fd01::2/64"}],
            "routes": [{"dst": "10.9.0.0/16"}],
            "dns": {"nameservers": ["10.1.0.1"], "domain": "a.test", "search": ["x.test"]},
        }));
        let own = result(json!({
            "interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": "/n"}],
            "ips": [{"interface": 1, "address": "10.2.0.2/24"}, {"address": "fd02::2/64"}],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dns": {"nameservers": ["10.2.0.1", "10.1.0.1"], "domain": "b.test", "options": ["ndots:2"]},
        }));
        let both = result(json!({
            "interfaces": [{"name": "wlan0"}, {"name": "net1", "sandbox": "/n"}, {"name": "cni0"},
                {"name": "eth0", "sandbox": "/n"}],
            "ips": [{"interface": 1, "address": "10.1.0.2/24"}, {"address": "fd01::2/64"},
                {"interface": 3, "address": "10.2.0.2/24"}, {"address": "fd02::2/64"}],
            "routes": [{"dst": "10.9.0.0/16"}, {"dst": "0.0.0.0/0"}],
            "dns": {"nameservers": ["10.1.0.1", "10.2.0.1"], "domain": "a.test", "search": ["x.test"],
                "options": ["ndots:2"]},
        }));
        assert_eq!(own.clone().behind(&earlier), both);
        assert_eq!(own.clone().behind(&Success::default()), own);
    }
}
