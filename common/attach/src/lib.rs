//! What plugins share that make interfaces or rules: the one place where the protocol, the links and the firewall meet.
//!
//! * [`Owner`]: whose a link, a rule or an element is. Everything that outlives a container carries its tag.
//! * [`Ipam`]: the delegate that manages addresses.
//! * [`inner`]: a link that only the container has. [`upper`]: one that is on another, its [`parent`].
//! * [`veth`]: the pair between host and container, found again by name and tag alone.
//! * [`container`]: addresses, routes and settings of the interface inside.
//! * [`ip_masq`]: who masquerades, by `nf_tables` or iptables.
//! * [`masquerade`]: one firewall element a subnet, however many containers it has.
//! * [`masquerade_addresses`]: an element an address, where each container has a link of its own.
//! * [`masquerade_chain`]: the same by iptables, as the reference plugins do it.
//! * [`masters`]: links that go with their last port.
//! * [`exposure`]: who reaches the containers of a bridge.
//! * [`routes`]: routes beside those of others. [`entries`]: routes that move between tables.
//! * [`ready`]: waiting until an attachment can be used.
//! * [`verify`][]: CHECK. [`told`]: what a previous result tells.
//! * [`foreign`] and [`mod@reference`]: what the reference plugins have made.
//! * [`netns`]: the container's network namespace where it may have gone.
//! * [`keys`]: keys that several plugins have.

pub mod container;
pub mod entries;
mod error;
pub mod exposure;
pub mod foreign;
mod home_sets;
mod homes;
pub mod host;
pub mod inner;
pub mod ip_masq;
mod ipam;
pub mod keys;
pub mod masquerade;
pub mod masquerade_addresses;
pub mod masquerade_chain;
pub mod masters;
mod members;
pub mod netns;
mod owner;
pub mod parent;
pub mod ready;
pub mod reference;
pub mod routes;
mod section;
pub mod told;
pub mod upper;
pub mod verify;
pub mod veth;
mod xtables;

pub use error::{firewall, kernel, not_ready};
pub use home_sets::{FamilySets, HomeSets};
pub use ipam::{Ipam, first_host};
pub use members::has_members;
pub use owner::{Garbage, Owner, network_hash, reference_name, tag_prefix};
pub use section::{Section, open_for_removal};
pub use xtables::{may_have_chain, nft_table, reference_chain, xtables};

/// The table that holds everything of ours (family `inet`, and `bridge` for what never reaches IP).
pub const TABLE: &str = "mooring";
