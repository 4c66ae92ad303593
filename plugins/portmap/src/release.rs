//! Taking published ports back: what an attachment has, or what belongs to none any more.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

use attach::{Owner, exposure, firewall, network_hash, open_for_removal, tag_prefix};
use cni::{Attachment, Error, Result};
use ipnetwork::IpNetwork;
use nft::{Batch, Element, Ifname, Key, Nfproto, Nft, Proto, Set};

use crate::{
    host,
    note::Note,
    plan::{Addresses, HostPort},
    rules::{self, CONDITIONAL, Led, Placed, by_set, table},
    sets::Sets,
};

/// What is published: elements, and handles of rules with conditions.
#[derive(Debug, Default)]
pub struct Found {
    pub elements: Vec<Placed>,
    pub rules: Vec<u64>,
}

impl Found {
    /// The elements that take a port of the host.
    fn takers(&self) -> impl Iterator<Item = &Element> {
        self.elements.iter().filter(|placed| Sets::takes_port(&placed.set)).map(|placed| &placed.element)
    }

    /// The keys of those elements that are in `set`.
    fn keys_in(&self, set: &Set) -> HashSet<&Key> {
        self.elements.iter().filter(|placed| placed.set == *set).map(|placed| &placed.element.key).collect()
    }

    fn led(&self) -> Vec<Led> {
        self.takers().filter_map(Led::by).collect()
    }

    /// Without what is `owner`'s.
    pub fn without(mut self, owner: &Owner) -> Self {
        self.elements.retain(|placed| !is_of(owner, &placed.element));
        self
    }

    /// The owners' addresses that have hairpins, and the links that these are behind.
    fn homes(&self) -> BTreeSet<(IpAddr, String)> {
        let owners = rules::owners();
        let notes = self.elements.iter().filter(|placed| placed.set == owners);
        let notes = notes.filter_map(|placed| Note::of(&placed.element));
        notes.flat_map(|note| note.homes).collect()
    }

    /// The host's links of the owners.
    fn links(&self) -> BTreeSet<String> {
        self.takers().filter_map(|element| Note::of(element)?.link).collect()
    }
}

/// An attachment whose ports are to be taken back, and what is known about it.
#[derive(Debug, Clone)]
pub struct Leaving {
    pub owner: Owner,
    /// The ports of the host that it was to have; others are found too.
    pub ports: Vec<HostPort>,
    /// Its own ports, which may be reached at its addresses.
    pub inside: Vec<HostPort>,
    /// Its addresses, if they are known.
    pub addresses: Addresses,
    /// Names of links of the host that its result tells of.
    pub links: Vec<String>,
}

impl Leaving {
    /// Takes the ports back: all in one transaction, with the hairpins that they were the last to need.
    pub fn release(&self) -> Result<()> {
        let Some(mut nft) = open_for_removal()? else { return Ok(()) };
        let Some(owner) = self.own(&mut nft, rules::owner(&self.owner)).map_err(firewall)? else {
            return host::forget(&self.forsaken(&mut nft)?);
        };
        // Before the ports, whose elements are what tells a repeated DEL of this link.
        let link = Note::of(&owner.element).and_then(|note| note.link);
        host::release_localhost(&mut nft, &link.into_iter().collect(), &self.links)?;
        let mut led = Vec::new();
        let removed = remove(&mut nft, &|nft| self.find(nft), release_hairpins, &mut led);
        Error::collect([removed, host::forget(&led)])
    }

    fn find(&self, nft: &mut Nft) -> nft::Result<Found> {
        let Some(owner) = self.own(nft, rules::owner(&self.owner))? else { return Ok(Found::default()) };
        if let Some(Note { elements: all, .. }) = Note::of(&owner.element) {
            let elements = self.look_up(nft, owner, all)?;
            if elements.len() == all {
                return Ok(Found { elements, rules: Vec::new() });
            }
        }
        search(nft, &|tag| self.owner.owns(tag))
    }

    /// The elements that can be found by their keys, until it is `all`. Ports with conditions cannot: they have rules too,
    /// which have no key. IPv4 goes first: a port of all addresses is looked for in both families, and mostly in IPv4 alone.
    fn look_up(&self, nft: &mut Nft, owner: Placed, all: usize) -> nft::Result<Vec<Placed>> {
        let (mut found, mut seen) = (vec![owner], HashSet::new());
        let of_family = |family| self.ports.iter().filter(move |port| port.family == family);
        for port in of_family(Nfproto::IPV4).chain(of_family(Nfproto::IPV6)) {
            if found.len() == all {
                break;
            }
            let Some(taker) = self.own(nft, rules::taker(port, false))? else { continue };
            if let Some(led) = Led::by(&taker.element) {
                let source = self.source(nft, port, led.to)?;
                found.extend(source.filter(|source| seen.insert(source.clone())));
            }
            if seen.insert(taker.clone()) {
                found.push(taker);
            }
        }
        for port in &self.inside {
            let Some(address) = self.addresses.of_family(port.family).filter(|_| found.len() < all) else { continue };
            let open = self.own(nft, rules::open(address.ip(), port))?;
            found.extend(open.filter(|open| seen.insert(open.clone())));
        }
        Ok(found)
    }

    /// What is in one of two sets, or in neither.
    fn source(&self, nft: &mut Nft, port: &HostPort, to: IpAddr) -> nft::Result<Option<Placed>> {
        for source in rules::sources(to, port) {
            let source = self.own(nft, source)?;
            if source.is_some() {
                return Ok(source);
            }
        }
        Ok(None)
    }

    fn own(&self, nft: &mut Nft, wanted: Placed) -> nft::Result<Option<Placed>> {
        let present = nft.element(&table(), &wanted.set, &wanted.element.key)?;
        let own = present.filter(|element| is_of(&self.owner, element));
        Ok(own.map(|element| Placed { set: wanted.set, element }))
    }

    /// Where connections may still be led to after a DEL that was killed between the ports and the connections. A port
    /// that somebody has is none of these, whoever it is.
    fn forsaken(&self, nft: &mut Nft) -> Result<Vec<Led>> {
        let mut forsaken = Vec::new();
        for port in self.ports.iter().filter(|port| port.protocol != Proto::TCP) {
            let Some(to) = self.addresses.of_family(port.family) else { continue };
            let mut taken = false;
            for conditional in [false, true] {
                let Placed { set, element } = rules::taker(port, conditional);
                taken |= nft.element(&table(), &set, &element.key).map_err(firewall)?.is_some();
            }
            if !taken {
                forsaken.push(Led { protocol: port.protocol, port: port.port, last: port.last, to: to.ip() });
            }
        }
        Ok(forsaken)
    }
}

/// Takes back the ports of all attachments of `network` that are not in `keep`, and what is left of links that have gone.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let kept: BTreeSet<String> = keep.iter().map(|attachment| Owner::new(network, attachment).prefix()).collect();
    let hash = network_hash(network);
    let is_garbage =
        |tag: &str| tag_prefix(tag).is_some_and(|prefix| prefix.starts_with(&hash) && !kept.contains(prefix));
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let localhost = close_localhost_of(&mut nft, &is_garbage);
    let mut led = Vec::new();
    let removed = remove(&mut nft, &|nft| search(nft, &is_garbage), release_garbage_hairpins, &mut led);
    Error::collect([localhost, removed, host::release_localhost_garbage(&mut nft), host::forget(&led)])
}

/// 127.0.0.1 leads no longer to the links of what is garbage, unless they serve something else too.
fn close_localhost_of(nft: &mut Nft, is_garbage: &dyn Fn(&str) -> bool) -> Result<()> {
    let going = search(nft, is_garbage).map_err(firewall)?.links();
    let staying = search(nft, &|tag| !is_garbage(tag)).map_err(firewall)?.links();
    host::release_localhost(nft, &going.difference(&staying).cloned().collect(), &[])
}

/// Adds to a batch the removal of the hairpins that nothing needs once something has gone.
type ReleaseHairpins = fn(&mut Nft, &mut Batch, &Found) -> nft::Result<()>;

/// Removes what `find` finds, and the hairpins that nothing needs then, and says in `led` where it led.
///
/// An ADD that comes meanwhile publishes its ports before it looks for its hairpin: either they are seen here, or it will
/// miss the hairpin and make it anew.
fn remove(
    nft: &mut Nft,
    find: &dyn Fn(&mut Nft) -> nft::Result<Found>,
    release_hairpins: ReleaseHairpins,
    led: &mut Vec<Led>,
) -> Result<()> {
    let commit = nft.transaction(|nft| {
        let found = find(nft)?;
        *led = found.led();
        let mut batch = Batch::new();
        delete(&mut batch, &found);
        release_hairpins(nft, &mut batch, &found)?;
        Ok::<_, nft::Error>(batch)
    });
    commit.map_err(firewall)
}

/// Releases the hairpins that only those need who are `going`: what others have is not listed, one of them is enough.
pub fn release_hairpins(nft: &mut Nft, batch: &mut Batch, going: &Found) -> nft::Result<()> {
    let (section, owners) = (rules::section(), going.keys_in(&rules::owners()));
    let mut seen = HashSet::new();
    for (address, link) in going.homes() {
        let set = if address.is_ipv4() { &section.v4.links } else { &section.v6.links };
        let key = Key::new().ip(address).ifname(Ifname::new(&link)?);
        let Some(hairpin) = nft.element(&table(), set, &key)?.filter(|hairpin| seen.insert(hairpin.clone())) else {
            continue;
        };
        let stays = |owner: &Element| !owners.contains(&owner.key) && rules::has_home_in(owner, &hairpin);
        // A single address is one container's alone.
        let is_shared = *hairpin.last() != hairpin.key;
        if !is_shared || nft.find(&table(), &rules::owners(), stays)?.is_none() {
            batch.delete_elements(&table(), set, [hairpin]);
        }
    }
    Ok(())
}

/// Releases all that nobody needs who stays.
fn release_garbage_hairpins(nft: &mut Nft, batch: &mut Batch, going: &Found) -> nft::Result<()> {
    let owners = going.keys_in(&rules::owners());
    let listed = listed(nft, &rules::owners())?;
    let staying = listed.iter().filter(|owner| !owners.contains(&owner.key)).filter_map(Note::of);
    let staying: BTreeSet<IpAddr> = staying.flat_map(|note| note.homes).map(|(address, _)| address).collect();
    let is_needed = |subnet: &IpNetwork| staying.range(subnet.network()..=subnet.broadcast()).next().is_some();
    rules::section().release_unneeded(nft, batch, is_needed)
}

/// Deletes what was found.
pub fn delete(batch: &mut Batch, found: &Found) {
    for handle in &found.rules {
        batch.delete_rule(&table(), CONDITIONAL, *handle);
    }
    for (set, elements) in by_set(&found.elements) {
        batch.delete_elements(&table(), &set, elements);
    }
}

/// Everything whose tag is wanted. Its callers are many, and it is long: one copy does for all.
pub fn search(nft: &mut Nft, wanted: &dyn Fn(&str) -> bool) -> nft::Result<Found> {
    let mut elements = Vec::new();
    let (v4, v6) = (Sets::of(Nfproto::IPV4), Sets::of(Nfproto::IPV6));
    let open = [true, false].map(exposure::ports);
    for set in [rules::owners()].into_iter().chain(v4.all()).chain(v6.all()).chain(open) {
        let tagged = listed(nft, &set)?.into_iter().filter(|element| element.comment.as_deref().is_some_and(wanted));
        elements.extend(tagged.map(|element| Placed { set: set.clone(), element }));
    }
    let rules = nft.rules(&table(), CONDITIONAL)?;
    let rules = rules.iter().filter(|rule| rule.comment.as_deref().is_some_and(wanted)).map(|rule| rule.handle);
    Ok(Found { elements, rules: rules.collect() })
}

/// The elements of a set; none if nobody has published a port since the host is up.
pub fn listed(nft: &mut Nft, set: &Set) -> nft::Result<Vec<Element>> {
    match nft.elements(&table(), set) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        listed => listed,
    }
}

/// Whether an element is the owner's.
pub fn is_of(owner: &Owner, element: &Element) -> bool {
    element.comment.as_deref().is_some_and(|tag| owner.owns(tag))
}
