//! Pairs of links that another implementation has made, so that they carry neither our names nor our tags: the reference
//! plugins', after a node has switched to ours.

use cni::{Del, Result, Success, check_ifname};
use net::{Link, Netns, Rtnl};

use crate::{
    kernel,
    netns::is_gone,
    told::{self, has_mac},
    veth,
};

/// Removes the interface of an attachment whose host end does not carry our name.
///
/// The network namespace may have an interface of that name from another network, or from the ADD of another attachment
/// that made ours fail. It is this network's if its host end `is_candidate`, and is nobody's by its tag, and if the
/// previous result, where there is one, tells of it.
pub fn del<C>(
    host: &mut Rtnl,
    del: &Del<C>,
    mut is_candidate: impl FnMut(&mut Rtnl, &Link) -> Result<bool>,
) -> Result<()> {
    let mut is_candidate = |host: &mut Rtnl, link: &Link| Ok(!veth::is_anybodys(link) && is_candidate(host, link)?);
    let prev = del.network.prev_result.as_ref();
    let Some(path) = &del.netns else { return del_told(host, prev, is_candidate) };
    let mut inside = match Netns::open(path).and_then(|netns| netns.rtnl()) {
        Err(error) if is_gone(&error) => return del_told(host, prev, is_candidate),
        opened => opened.map_err(kernel)?,
    };
    let Some(link) = inside.link(&del.attachment.ifname).map_err(kernel)?.filter(|link| link.is_kind("veth")) else {
        return Ok(());
    };
    let Some(peer) = veth::peer_of(host, &link)? else { return Ok(()) };
    if is_candidate(host, &peer)? && (is_told(&peer, prev) || told::may_be(&link, prev)) {
        inside.del_link(link.index).map_err(kernel)?;
    }
    Ok(())
}

/// The same where the network namespace cannot be looked into: the host end that the previous result tells of, by its name and
/// its hardware address.
fn del_told(
    host: &mut Rtnl,
    prev: Option<&Success>,
    mut is_candidate: impl FnMut(&mut Rtnl, &Link) -> Result<bool>,
) -> Result<()> {
    let interfaces = prev.into_iter().flat_map(|result| &result.interfaces);
    for told in interfaces.filter(|told| told.sandbox.is_none() && told.mac.is_some()) {
        // What no link can be called is none.
        if check_ifname(&told.name).is_err() {
            continue;
        }
        let Some(link) = host.link(&told.name).map_err(kernel)? else { continue };
        if link.is_kind("veth") && link.peer_elsewhere && has_mac(&link, told) && is_candidate(host, &link)? {
            host.del_link(link.index).map_err(kernel)?;
        }
    }
    Ok(())
}

/// Whether the previous result tells of this end on the host. It is the surer of the two: tuning changes the address of the other,
/// and has changed it back by the time of our DEL.
pub fn is_told(peer: &Link, prev: Option<&Success>) -> bool {
    let mut interfaces = prev.into_iter().flat_map(|result| &result.interfaces);
    interfaces.any(|told| told.sandbox.is_none() && told.name == peer.name && has_mac(peer, told))
}
