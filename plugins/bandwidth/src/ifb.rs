//! The link that what a container sends goes through to be limited: an `ifb`, because a link can limit only what it sends.
//!
//! It outlives the container. Its name is the reference's for the container's first interface, so that the reference's DEL finds
//! it, and follows from the attachment for every other. Its hardware address, which nothing uses, says whose it is from the
//! moment that it is there; its alias says it to people.

use std::collections::BTreeSet;

use attach::{Garbage, Owner, kernel, network_hash, reference_name, veth::existing};
use cni::{Attachment, Code, Error, Result, Undo};
use net::{Kind, Link, LinkChange, LinkSpec, Mac, Rtnl, here};

/// How the names begin.
const STEM: &str = "bwp";
/// The longest name of a link (`IFNAMSIZ`, `if.h`).
const NAME_MAX: usize = 15;

/// Makes the link of an attachment, up, for packets as long as `mtu` allows.
///
/// One that is there already has been left by an earlier life of the container: nothing of this one's leads there.
pub fn add(host: &mut Rtnl, owner: &Owner, mtu: u32, undo: &mut Undo) -> Result<Link> {
    for left in find(host, owner)? {
        host.del_link(left.index).map_err(kernel)?;
    }
    // First: what gets lost may be the kernel's answer alone.
    let own = owner.clone();
    undo.push(format!("create ifb of {}", owner.tag()), move || {
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let made = find(&mut host, &own)?;
        Error::collect(made.iter().map(|link| host.del_link(link.index).map_err(kernel)))
    });
    let name = create(host, owner, mtu)?;
    let link = existing(host, &name)?;
    keep_quiet(host, &link);
    let change = LinkChange { up: Some(true), alias: Some(owner.tag()), ..LinkChange::default() };
    host.set_link(&link, &change).map_err(kernel)?;
    Ok(link)
}

/// Creates it under the first name that is free; returns that name.
fn create(host: &mut Rtnl, owner: &Owner, mtu: u32) -> Result<String> {
    for name in names(owner) {
        let spec = LinkSpec { mac: Some(mac(owner)), mtu: Some(mtu), ..LinkSpec::new(name.clone(), Kind::Ifb) };
        match host.add_link(&spec) {
            Err(error) if error.is_exists() => {}
            created => return created.map(|()| name).map_err(kernel),
        }
    }
    let names = names(owner);
    Err(Error::new(Code::InUse, format!("create ifb: links of others have all names that it could take, {names:?}")))
}

/// Nothing is ever sent from the link itself: it needs no address, and no routes that follow from one.
fn keep_quiet(host: &mut Rtnl, link: &Link) {
    // By a message: the sysctl that does the same keeps trying, without rest, while another process changes a link.
    if let Err(error) = host.set_link(link, &LinkChange { link_local: Some(false), ..LinkChange::default() }) {
        // The kernel has no IPv6, or the link is too small for it.
        log::info!("{error}");
    }
}

/// The links that the attachment has: one, or none.
pub fn find(host: &mut Rtnl, owner: &Owner) -> Result<Vec<Link>> {
    let mut found = Vec::new();
    for name in names(owner) {
        found.extend(host.link(&name).map_err(kernel)?.filter(|link| is_of(owner, link)));
    }
    Ok(found)
}

/// Those of `links` that belong to no attachment in `keep` of the network.
pub fn garbage<'a>(links: &'a [Link], network: &str, keep: &BTreeSet<Attachment>) -> Vec<&'a Link> {
    let tags = Garbage::of(network, keep);
    let kept: Vec<Mac> = keep.iter().map(|attachment| mac(&Owner::new(network, attachment))).collect();
    let is_garbage = |link: &&Link| match &link.alias {
        Some(alias) => link.is_kind(Kind::Ifb.name()) && tags.owns(alias),
        None => is_of_network(network, link) && !link.mac.is_some_and(|mac| kept.contains(&mac)),
    };
    links.iter().filter(is_garbage).collect()
}

/// Whether a link is such a one, of whatever attachment.
pub fn is_anybodys(link: &Link) -> bool {
    link.is_kind(Kind::Ifb.name()) && link.name.starts_with(STEM)
}

/// The names that it may have, the preferred one first.
fn names(owner: &Owner) -> [String; 3] {
    let prefix = owner.prefix();
    let (network, attachment) = prefix.split_once('-').unwrap_or_default();
    let derived = |digits: std::ops::Range<usize>| {
        let [network, attachment] = [network.get(..4), attachment.get(digits)].map(Option::unwrap_or_default);
        format!("{STEM}{network}{attachment}")
    };
    [shared_name(owner), derived(0..8), derived(8..16)]
}

/// The reference's.
pub fn shared_name(owner: &Owner) -> String {
    reference_name(STEM, owner.network(), &owner.attachment().container_id, NAME_MAX)
}

/// Of one station, given locally: 2 octets of the network's hash and 3 of the attachment's.
fn mac(owner: &Owner) -> Mac {
    let prefix = owner.prefix();
    let (network, attachment) = prefix.split_once('-').unwrap_or_default();
    let [n0, n1, ..] = octets(network);
    let [a0, a1, a2, ..] = octets(attachment);
    Mac([2, n0, n1, a0, a1, a2])
}

/// The octets of 16 hexadecimal digits.
fn octets(digits: &str) -> [u8; 8] {
    u64::from_str_radix(digits, 16).unwrap_or_default().to_be_bytes()
}

fn is_of(owner: &Owner, link: &Link) -> bool {
    link.is_kind(Kind::Ifb.name())
        && match &link.alias {
            Some(alias) => owner.owns(alias),
            None => link.mac == Some(mac(owner)),
        }
}

/// Whether a link is one of the network's by its address: an alias may be missing, where a crash has kept it off.
pub fn is_of_network(network: &str, link: &Link) -> bool {
    let [n0, n1, ..] = octets(&network_hash(network));
    is_anybodys(link) && link.mac.is_some_and(|Mac([first, m0, m1, ..])| (first, m0, m1) == (2, n0, n1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(network: &str, container_id: &str, ifname: &str) -> Owner {
        Owner::new(network, &Attachment { container_id: container_id.into(), ifname: ifname.into() })
    }

    #[test]
    fn first_name_is_the_references_and_the_others_are_the_interfaces_own() {
        let [eth0, eth1] = ["eth0", "eth1"].map(|ifname| names(&owner("net", "c1", ifname)));
        // As the plugin of containernetworking 1.1.1 names it.
        assert_eq!((eth0[0].as_str(), &eth0[0]), ("bwp623e1c388032", &eth1[0]));
        let all: BTreeSet<&String> = eth0.iter().chain(&eth1).collect();
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|name| name.len() == NAME_MAX && name.starts_with(STEM)), "{all:?}");
    }

    #[test]
    fn addresses_are_of_one_station_and_tell_network_and_attachment() {
        let one = mac(&owner("net", "c1", "eth0"));
        assert!(one.is_assignable());
        for other in [owner("net2", "c1", "eth0"), owner("net", "c2", "eth0"), owner("net", "c1", "eth1")] {
            assert_ne!(one, mac(&other), "{other:?}");
        }
        let [.., n0, n1, _, _, _] = one.0;
        assert_eq!(mac(&owner("net", "c2", "eth1")).0[1..3], [n0, n1]);
        assert_eq!(format!("{n0:02x}{n1:02x}"), network_hash("net")[..4]);
    }
}
