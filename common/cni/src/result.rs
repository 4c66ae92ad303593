//! The one internal form of a result: that of the newest version. Other versions exist only in [`crate::wire`].

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

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
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "serde's skip_serializing_if hands over a reference"
)]
fn is_unset(number: &Option<u32>) -> bool {
    number.unwrap_or(0) == 0
}
