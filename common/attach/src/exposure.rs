//! Who reaches the containers of a bridge, and what they reach.
//!
//! The state is per bridge: an attachment that is not the first or last of its bridge writes nothing. It is in chains of its own,
//! which a host has only once a network asks for it.

mod rules;

use std::net::IpAddr;

use cni::{Code, Error, Result};
use net::{Link, LinkIndex};
use nft::{Batch, Ifname, Nft, Set, Table};

use rules::{Note, Placed, bridges, elements, link_of, network_comment, of_bridges, section};
pub use rules::{USER, is_source};

use crate::{
    firewall,
    homes::bridges_of,
    members::{has_members, without_members},
    open_for_removal, veth,
};

/// How a network of one address family meets the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Published ports are reached at the host's addresses, everything else is not.
    Nat,
    /// Everything is reached by who has a route.
    NatUnprotected,
    /// Published ports are reached at the containers' own addresses.
    Routed,
    /// The host itself is out of reach, too.
    Isolated,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nat, Self::NatUnprotected, Self::Routed, Self::Isolated];

    /// As the configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::NatUnprotected => "nat-unprotected",
            Self::Routed => "routed",
            Self::Isolated => "isolated",
        }
    }
}

/// Who reaches the containers behind a link of the host, and what they reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposure {
    /// The bridge, or its interface in a VLAN.
    pub link: String,
    /// The modes of IPv4 and IPv6; unset leaves a family as it is.
    pub modes: [Option<Mode>; 2],
    /// Nothing leaves the bridge, and nothing from elsewhere enters.
    pub internal: bool,
    /// Containers reach each other's published ports only.
    pub apart: bool,
    /// Other bridges with an exposure, and this one, reach each other's published ports only.
    pub isolated: bool,
    /// Links of the host from which published ports are reached at the containers' own addresses.
    pub trusted: Vec<String>,
    /// The source addresses that connections to elsewhere get, by family.
    pub sources: [Option<IpAddr>; 2],
}

/// How a port of a container is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// At the host's addresses.
    pub at_host: bool,
    /// At the container's own.
    pub at_container: bool,
}

impl Opening {
    /// As it is without an exposure.
    pub const AT_HOST: Self = Self { at_host: true, at_container: false };
}

/// Makes sure that a bridge of `network` is exposed like this, and not otherwise.
///
/// # Errors
/// Code 101 if another network has it exposed otherwise.
pub fn ensure(nft: &mut Nft, network: &str, exposure: &Exposure) -> Result<()> {
    section().ensure(nft)?;
    let wanted = elements(exposure, network).map_err(firewall)?;
    if covers(nft, &wanted).map_err(firewall)? {
        return Ok(());
    }
    let commit = nft.transaction(|nft| {
        let present = of_links(nft, |link| link == exposure.link)?;
        let other = present.iter().find_map(|(_, element)| other_network(element, network));
        // What a crash has left of a network that has no port any more is nobody's.
        let lives = |port: &Link| veth::is_anybodys(port) && !veth::is_of_network(network, port);
        if let Some(other) = other
            && has_members(&exposure.link, &[], &lives).map_err(Failure::Plain)?
        {
            return Err(Failure::Other(other));
        }
        let mut batch = Batch::new();
        for (set, element) in present {
            batch.delete_elements(&table(), &set, [element]);
        }
        for (set, element) in &wanted {
            batch.add_elements(&table(), set, [element.clone()]);
        }
        Ok(batch)
    });
    commit.map_err(|failure| match failure {
        Failure::Kernel(error) => firewall(error),
        Failure::Plain(error) => error,
        Failure::Other(other) => Error::new(
            Code::InUse,
            format!(
                "expose bridge \"{}\" as network \"{network}\" has it: network \"{other}\" has it otherwise, and a bridge has one exposure",
                exposure.link
            ),
        ),
    })
}

/// Why an exposure was not written.
enum Failure {
    Kernel(nft::Error),
    Plain(Error),
    Other(String),
}

impl From<nft::Error> for Failure {
    fn from(error: nft::Error) -> Self {
        Self::Kernel(error)
    }
}

/// The network whose element it is, if that is another.
fn other_network(element: &nft::Element, network: &str) -> Option<String> {
    let comment = element.comment.as_deref()?;
    // Long ones are cut.
    (!network_comment(network).starts_with(comment)).then(|| comment.trim_start_matches("net: ").to_owned())
}

/// Whether a bridge of `network` is exposed like this.
pub fn is_ensured(network: &str, exposure: &Exposure) -> Result<bool> {
    let mut nft = Nft::open().map_err(firewall)?;
    let wanted = elements(exposure, network).map_err(firewall)?;
    Ok(section().is_there(&mut nft)? && covers(&mut nft, &wanted).map_err(firewall)?)
}

/// Whether all of these are there. The first tells how many there are.
fn covers(nft: &mut Nft, wanted: &[Placed]) -> nft::Result<bool> {
    for (set, element) in wanted {
        let present = nft.element(&table(), set, &element.key)?;
        if present.is_none_or(|present| present.data != element.data || Note::of(&present) != Note::of(element)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How ports of a container behind one of `links` are published, by family: at the host's addresses, unless the bridge says
/// otherwise.
pub fn openings(nft: &mut Nft, links: &[String]) -> Result<[Opening; 2]> {
    let mut note = None;
    for link in links {
        let Ok(name) = Ifname::new(link) else { continue };
        let found = nft.element(&table(), &bridges(), &name.into()).map_err(firewall)?;
        note = note.or_else(|| Note::of(&found?));
    }
    let of_mode = |mode: Option<Mode>| Opening {
        at_host: mode != Some(Mode::Routed),
        at_container: mode == Some(Mode::Routed) || (mode == Some(Mode::Nat) && note.is_some_and(|note| note.trusts)),
    };
    Ok(note.map_or([None; 2], |note| note.modes).map(of_mode))
}

/// The ports that are reached at the containers' own addresses: what is published there, a set for each family.
pub fn ports(v4: bool) -> Set {
    rules::ports(v4)
}

/// The table of it all.
pub fn table() -> Table {
    rules::table()
}

/// Ends the exposure of everything behind `bridge`, unless it has ports other than `going` that are attachments'.
pub fn release_unused(bridge: &str, going: &[LinkIndex]) -> Result<()> {
    release(going, |link| bridges_of(link).any(|of| of == bridge))
}

/// Ends the exposure of bridges that have no attachment's port.
pub fn release_garbage() -> Result<()> {
    release(&[], |_| true)
}

/// An attachment that comes at the same time has made its port before it looks for the elements. If its port appears while they
/// go, they are put back: it may have seen them still.
fn release(going: &[LinkIndex], wanted: impl Fn(&str) -> bool) -> Result<()> {
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let links = exposed(&mut nft).map_err(firewall)?.into_iter().filter(|link| wanted(link)).collect::<Vec<_>>();
    let unused = without_members(&links, going, &veth::is_anybodys)?;
    if unused.is_empty() {
        return Ok(());
    }
    let mut released = Vec::new();
    let commit = nft.transaction(|nft| {
        released = of_links(nft, |link| unused.iter().any(|unused| unused == link))?;
        Ok::<_, nft::Error>(batch_of(&released, Batch::delete_elements))
    });
    commit.map_err(firewall)?;
    let still = without_members(&unused, going, &veth::is_anybodys)?;
    released.retain(|(_, element)| link_of(element).is_some_and(|link| !still.iter().any(|still| still == link)));
    if released.is_empty() {
        return Ok(());
    }
    nft.commit(batch_of(&released, Batch::ensure_elements)).map_err(firewall)
}

fn batch_of(placed: &[Placed], add: fn(&mut Batch, &Table, &Set, Vec<nft::Element>)) -> Batch {
    let mut batch = Batch::new();
    for (set, element) in placed {
        add(&mut batch, &table(), set, vec![element.clone()]);
    }
    batch
}

/// The links that have an exposure.
fn exposed(nft: &mut Nft) -> nft::Result<Vec<String>> {
    let own = listed(nft, &bridges())?;
    Ok(own.iter().filter_map(link_of).map(str::to_owned).collect())
}

/// The elements of these links.
fn of_links(nft: &mut Nft, wanted: impl Fn(&str) -> bool) -> nft::Result<Vec<Placed>> {
    let mut found = Vec::new();
    for set in of_bridges() {
        let all = listed(nft, &set)?;
        found.extend(all.into_iter().filter(|one| link_of(one).is_some_and(&wanted)).map(|one| (set.clone(), one)));
    }
    Ok(found)
}

fn listed(nft: &mut Nft, set: &Set) -> nft::Result<Vec<nft::Element>> {
    match nft.elements(&table(), set) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        listed => listed,
    }
}
