//! The host's end of a container's veth pair, which the limits hang on.
//!
//! It is another plugin's, and may outlive the container. While it has limits it also has a name that follows from the
//! attachment, by which DEL and GC find it without network namespace and previous result.

use std::collections::BTreeSet;

use attach::{
    Garbage, Owner, kernel,
    verify::failed,
    veth::{self, existing},
};
use cni::{Attachment, Code, Error, Result, Success, Undo};
use net::{Errno, Filter, Link, Netns, Place, Rtnl, here};

use crate::{
    ifb,
    plan::{Limit, Plan},
};

/// The handle of our token bucket filters ("mo"), which tells them from others'.
const HANDLE: u16 = 0x6d6f;
/// How the names begin, before the owner's hashes.
const STEM: &str = "bandwidth-";

/// The host's end of the container's interface.
///
/// The kernel numbers links in each namespace anew: that both ends name each other, and that the previous result tells of
/// the one on the host, is what makes sure that it is here.
pub fn find(host: &mut Rtnl, netns: &Netns, ifname: &str, prev: &Success) -> Result<Link> {
    let place = netns.path().display();
    let refuse = |why: String| Err(Error::invalid(format!("limit interface \"{ifname}\" in {place}: {why}")));
    let inner =
        existing(&mut netns.rtnl().map_err(kernel)?, ifname).map_err(|error| error.context(place.to_string()))?;
    if !inner.is_kind("veth") {
        let is = inner.kind.as_deref().unwrap_or("hardware");
        return refuse(format!("it is {is}, only links of kind veth can be limited"));
    }
    match veth::peer_of(host, &inner)? {
        None => refuse("its veth peer is not on the host".to_owned()),
        Some(peer) if is_told(prev, &peer) => Ok(peer),
        Some(peer) => refuse(format!("prevResult does not tell of its veth peer \"{}\" on the host", peer.name)),
    }
}

/// Whether a result tells of the link on the host.
pub fn is_told(prev: &Success, port: &Link) -> bool {
    prev.interfaces.iter().any(|told| told.sandbox.is_none() && told.name == port.name)
}

/// Fails unless the places are free that the limits need.
pub fn check_free(host: &mut Rtnl, port: &Link, plan: &Plan) -> Result<()> {
    let needed = [(plan.ingress, Place::Root), (plan.egress, Place::Ingress)];
    for (_, place) in needed.iter().filter(|(limit, _)| limit.is_some()) {
        if let Some(taken) = host.qdisc(port, *place).map_err(kernel)? {
            let whose = if taken.handle == HANDLE { ", it is limited already" } else { "" };
            let direction = if *place == Place::Root { "sends" } else { "receives" };
            let msg = format!("limit what \"{}\" {direction}: it has a qdisc {}{whose}", port.name, taken.kind);
            return Err(Error::new(Code::InUse, msg));
        }
    }
    Ok(())
}

/// Gives the link the name by which it is found again.
pub fn mark(host: &mut Rtnl, owner: &Owner, port: &Link, undo: &mut Undo) -> Result<()> {
    let name = mark_of(owner);
    match host.link_by_altname(&name).map_err(kernel)? {
        // By another `bandwidth` in the same list.
        Some(marked) if marked.index == port.index => return Ok(()),
        // Of an earlier life of the container, and on its way out.
        Some(left) => host.del_altname(&left, &name).map_err(kernel)?,
        None => {}
    }
    let (link, given) = (port.clone(), name.clone());
    undo.push(format!("name \"{}\"", port.name), move || {
        Rtnl::open(&here()).and_then(|mut host| host.del_altname(&link, &given)).map_err(kernel)
    });
    match host.add_altname(port, &name) {
        // Kernels before 5.5: the limits go with the link.
        Err(error) if error.errno == Errno::EOPNOTSUPP => {
            log::info!("{error}");
            Ok(())
        }
        marked => marked.map_err(kernel),
    }
}

/// The link that has limits of the attachment, if there is one.
pub fn find_marked(host: &mut Rtnl, owner: &Owner) -> Result<Option<Link>> {
    host.link_by_altname(&mark_of(owner)).map_err(kernel)
}

/// Limits what a link sends.
pub fn limit(host: &mut Rtnl, link: &Link, limit: Limit, undo: &mut Undo) -> Result<()> {
    push_removal(link, remove_limit, undo);
    host.add_tbf(link, HANDLE, &limit.tbf(link.mtu, net::tick())).map_err(kernel)
}

/// Hands everything that comes from the container to `to`.
pub fn redirect(host: &mut Rtnl, port: &Link, to: &Link, undo: &mut Undo) -> Result<()> {
    push_removal(port, remove_redirect, undo);
    host.add_ingress(port).map_err(kernel)?;
    host.add_redirect(port, to).map_err(kernel)
}

/// First: what gets lost may be the kernel's answer alone.
fn push_removal(link: &Link, remove: fn(&mut Rtnl, &Link) -> net::Result<()>, undo: &mut Undo) {
    let link = link.clone();
    undo.push(format!("add qdisc to \"{}\"", link.name), move || {
        Rtnl::open(&here()).and_then(|mut host| remove(&mut host, &link)).map_err(kernel)
    });
}

/// Takes the limits off a link, and last the name that tells of them. A link that goes meanwhile is without limits.
pub fn release(host: &mut Rtnl, port: &Link, mark: &str) -> Result<()> {
    let limits = remove_limit(host, port).and_then(|()| remove_redirect(host, port));
    match limits.and_then(|()| host.del_altname(port, mark)) {
        Err(error) if error.is_not_found() => Ok(()),
        released => released.map_err(kernel),
    }
}

fn remove_limit(host: &mut Rtnl, link: &Link) -> net::Result<()> {
    let found = host.qdisc(link, Place::Root)?;
    let is_own = found.is_some_and(|qdisc| qdisc.tbf.is_some() && qdisc.handle == HANDLE);
    if is_own { host.del_qdisc(link, Place::Root) } else { Ok(()) }
}

/// A qdisc for what is received has no number of its own. It is ours if a filter leads to such a link as ours, or to one that has
/// gone; or if it has no filter yet.
fn remove_redirect(host: &mut Rtnl, port: &Link) -> net::Result<()> {
    if host.qdisc(port, Place::Ingress)?.is_none_or(|qdisc| qdisc.kind != "ingress") {
        return Ok(());
    }
    let filters = host.filters(port)?;
    let mut is_own = filters.is_empty();
    for filter in filters {
        is_own |= match filter {
            Filter::Redirect(to) => host.link_at(to)?.is_none_or(|link| ifb::is_anybodys(&link)),
            Filter::RedirectToNone => true,
            Filter::Other => false,
        };
    }
    if is_own { host.del_qdisc(port, Place::Ingress) } else { Ok(()) }
}

/// Those of `links` that have limits of an attachment that is not in `keep` of the network, each with the name that tells of them.
pub fn garbage<'a>(links: &'a [Link], network: &str, keep: &BTreeSet<Attachment>) -> Vec<(&'a Link, &'a str)> {
    let tags = Garbage::of(network, keep);
    let names = links.iter().flat_map(|link| link.altnames.iter().map(move |name| (link, name.as_str())));
    names.filter(|(_, name)| name.strip_prefix(STEM).is_some_and(|tag| tags.owns(tag))).collect()
}

/// Fails unless a link sends within `limit`; `direction` is the container's.
pub fn check_limit(host: &mut Rtnl, link: &Link, direction: &str, limit: Limit) -> Result<()> {
    let wrong = |why: &str| failed(format!("check {direction} limit on \"{}\": {why}", link.name));
    let found = host.qdisc(link, Place::Root).map_err(kernel)?.and_then(|qdisc| qdisc.tbf);
    let found = found.ok_or_else(|| wrong("it has no qdisc tbf"))?;
    limit.difference(&found, link.mtu, net::tick()).map_or(Ok(()), |difference| Err(wrong(&difference)))
}

/// Fails unless everything that comes from the container is handed to `to`.
pub fn check_redirect(host: &mut Rtnl, port: &Link, to: &Link) -> Result<()> {
    let wrong = |why: &str| Err(failed(format!("check egress limit on \"{}\": {why}", to.name)));
    if !to.up {
        return wrong("it is down");
    }
    if host.filters(port).map_err(kernel)?.contains(&Filter::Redirect(to.index)) {
        return Ok(());
    }
    wrong(&format!("no filter of \"{}\" redirects everything to it", port.name))
}

/// The name by which the link of an attachment is found again.
pub fn mark_of(owner: &Owner) -> String {
    format!("{STEM}{}", owner.prefix())
}
