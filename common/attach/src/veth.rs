//! The veth pair between host and container.
//!
//! The name of the host's end follows from the attachment and its alias is the owner's tag, so that DEL and GC need
//! neither the container's network namespace nor a previous result. The name comes with the message that creates the
//! link and the alias only with the next: a link of the right name without an alias is what a crash between the two has
//! left.

use std::collections::BTreeSet;

use cni::{Attachment, Code, Error, Result, Undo};
use net::{Link, LinkChange, LinkIndex, Mac, Netns, Rtnl, VethEnd, VethSpec, here};

use crate::{Owner, kernel, network_hash, owner::link_stem, tag_prefix};

/// The pair to make.
#[derive(Debug)]
pub struct Pair<'a> {
    /// The container's network namespace.
    pub netns: &'a Netns,
    /// The hardware address of the container's end; unset is a random one.
    pub mac: Option<Mac>,
    /// The maximum transmission unit of both ends, in bytes.
    pub mtu: Option<u32>,
    /// The bridge that the host's end becomes a port of.
    pub master: Option<LinkIndex>,
}

/// Makes the pair of an attachment and returns the host's end, which is up.
///
/// # Errors
/// Code 101 if the attachment exists already, or its interface's name is taken in the container.
pub fn add(host: &mut Rtnl, owner: &Owner, pair: &Pair<'_>, undo: &mut Undo) -> Result<Link> {
    let name = create(host, owner, pair)?;
    let made = name.clone();
    undo.push(format!("create veth \"{name}\""), move || remove(&made));
    let link = existing(host, &name)?;
    let tag = LinkChange { alias: Some(owner.tag()), ..LinkChange::default() };
    host.set_link(&link, &tag).map_err(kernel)?;
    Ok(link)
}

/// Creates the pair under the first name that is free; returns that name.
fn create(host: &mut Rtnl, owner: &Owner, pair: &Pair<'_>) -> Result<String> {
    let ifname = &owner.attachment().ifname;
    let far = VethEnd { name: ifname.clone(), mac: pair.mac.unwrap_or_else(Mac::random) };
    for name in owner.link_names() {
        let mac = Mac::random();
        let near = VethEnd { name: name.clone(), mac };
        let spec = VethSpec { near, far: far.clone(), mtu: pair.mtu, master: pair.master, netns: Some(pair.netns) };
        let Err(refused) = host.add_veth(&spec) else { return Ok(name) };
        if !refused.is_exists() {
            // It may be the answer that got lost. Should this fail too, DEL finds the link by its name.
            let _ = remove_made(&name, mac);
            return Err(kernel(refused));
        }
        match host.link(&name).map_err(kernel)? {
            None => {
                let place = pair.netns.path().display();
                return Err(Error::new(
                    Code::InUse,
                    format!("create interface \"{ifname}\" in {place}: the name is taken"),
                ));
            }
            Some(link) if is_of(owner, &link) => return Err(attached_already(owner, &name)),
            Some(_) => {}
        }
    }
    let names: Vec<String> = owner.link_names().collect();
    Err(Error::new(Code::InUse, format!("create veth: links of others have all names that it could take, {names:?}")))
}

/// Whether the owner's container has another interface on the same network, as far as the links of the host tell.
pub fn has_sibling(host: &mut Rtnl, owner: &Owner) -> Result<bool> {
    let links = host.links().map_err(kernel)?;
    Ok(links.iter().filter_map(|link| link.alias.as_deref()).any(|tag| owner.is_sibling(tag)))
}

fn remove(name: &str) -> Result<()> {
    remove_if(name, |_| true)
}

/// Removes the link if it is the one with this hardware address, which was drawn for it alone.
fn remove_made(name: &str, mac: Mac) -> Result<()> {
    remove_if(name, |link| link.mac == Some(mac))
}

/// On a socket of its own: another may still have an answer to come.
fn remove_if(name: &str, is_it: impl Fn(&Link) -> bool) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let link = host.link(name).map_err(kernel)?.filter(is_it);
    link.map_or(Ok(()), |link| host.del_link(link.index).map_err(kernel))
}

fn attached_already(owner: &Owner, link: &str) -> Error {
    let Attachment { container_id, ifname } = owner.attachment();
    Error::new(
        Code::InUse,
        format!(
            "attach interface \"{ifname}\" of container \"{container_id}\": it is attached already by link \"{link}\""
        ),
    )
}

/// The link of that name, which has to be there.
pub fn existing(rtnl: &mut Rtnl, name: &str) -> Result<Link> {
    let found = rtnl.link(name).map_err(kernel)?;
    found.ok_or_else(|| Error::new(Code::Kernel, format!("find link \"{name}\": there is none")))
}

/// The host's ends that the attachment has: one, or none.
pub fn find(host: &mut Rtnl, owner: &Owner) -> Result<Vec<Link>> {
    let mut found = Vec::new();
    for name in owner.link_names() {
        found.extend(host.link(&name).map_err(kernel)?.filter(|link| is_of(owner, link)));
    }
    Ok(found)
}

/// The host's end of the pair that `inner` is the container's end of, whoever made it.
pub fn peer_of(host: &mut Rtnl, inner: &Link) -> Result<Option<Link>> {
    let Some(index) = inner.peer.filter(|_| inner.peer_elsewhere) else { return Ok(None) };
    let peer = host.link_at(index).map_err(kernel)?;
    Ok(peer.filter(|peer| peer.is_kind("veth") && peer.peer_elsewhere && peer.peer == Some(inner.index)))
}

/// Whether `link` is the host's end of the attachment's pair.
fn is_of(owner: &Owner, link: &Link) -> bool {
    link.is_kind("veth")
        && match &link.alias {
            Some(alias) => owner.owns(alias),
            None => owner.link_names().any(|name| name == link.name),
        }
}

/// Whether `link` is the host's end of any attachment's pair, of whatever network.
pub fn is_anybodys(link: &Link) -> bool {
    link.is_kind("veth")
        && link.alias.as_deref().map_or_else(|| is_derived(&link.name), |tag| tag_prefix(tag).is_some())
}

/// Whether a name looks like those of [`Owner::link_names`]: that much is left of a tag when a crash has kept it off.
fn is_derived(name: &str) -> bool {
    name.len() == 15 && name.strip_prefix("veth").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The host's ends of `network` that belong to no attachment in `keep`.
pub fn find_garbage(host: &mut Rtnl, network: &str, keep: &BTreeSet<Attachment>) -> Result<Vec<Link>> {
    let kept: Vec<Owner> = keep.iter().map(|attachment| Owner::new(network, attachment)).collect();
    let links = host.links().map_err(kernel)?;
    let garbage =
        links.into_iter().filter(|link| is_of_network(network, link) && !kept.iter().any(|owner| is_of(owner, link)));
    Ok(garbage.collect())
}

pub(crate) fn is_of_network(network: &str, link: &Link) -> bool {
    let hash = network_hash(network);
    let named = || is_derived(&link.name) && link.name.starts_with(&link_stem(&hash));
    link.is_kind("veth")
        && match link.alias.as_deref() {
            Some(alias) => tag_prefix(alias).is_some_and(|prefix| prefix.starts_with(&hash)),
            None => named(),
        }
}
