//! The kernel's network over rtnetlink: namespaces, links, addresses, routes, qdiscs, sysctls. It knows nothing of CNI.
//!
//! A netlink socket belongs to the network namespace that it was opened in. An [`Rtnl`] is such a socket: whoever holds
//! one for the host and one for a container never has to switch. The few things that depend on where a thread *is*
//! (sysctls, opening a socket) take an [`Inside`], which only [`Netns::enter`] and [`here`] make.
//!
//! Values are plain data ([`Link`], [`Address`], [`Route`], the specs); building a message from one is pure, and
//! [`Rtnl`] only sends.

mod address;
mod altname;
mod answer;
mod belongings;
mod elsewhere;
mod entry;
mod error;
mod kind;
mod link;
mod mac;
mod ns;
mod port;
mod qdisc;
mod route;
mod rtnl;
mod rule;
mod socket;
pub mod sysctl;
mod table;
mod traffic;
pub mod tun;

pub use address::Address;
pub use belongings::Belongings;
pub use entry::{Rank, RouteEntry};
pub use error::{Error, Result};
pub use kind::{IpvlanFlag, IpvlanMode, Kind, LinkSpec, MacvlanMode};
pub use link::{BridgeSpec, Link, LinkChange, LinkIndex, VethEnd, VethSpec};
pub use mac::Mac;
pub use nix::errno::Errno;
pub use ns::{Inside, Netns, here};
pub use port::{Port, PortChange, PortState, PortVlan};
pub use qdisc::{Bucket, Filter, Place, Qdisc, Tbf, tick};
pub use route::{MAIN_TABLE, Nexthop, Route};
pub use rtnl::Rtnl;
pub use rule::Rule;
pub use table::free_table;
pub use tun::{Tap, TapSpec};
