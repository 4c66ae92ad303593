//! What the reference plugin has made, which carries no mark of ours: removed when we detach it.

use attach::{Owner, kernel, netns::open_if_there, told::has_mac, veth};
use cni::{Del, Result, Success};
use net::{Filter, Kind, Link, Place, Rtnl};

use crate::{
    conf::Conf,
    ifb,
    plan::{Limit, Plan},
    port,
};

/// The handle of its token bucket filters.
const HANDLE: u16 = 1;

/// The link that it has made for the container. All interfaces share that name: where there is a result, it tells whether the link
/// is this attachment's.
pub fn ifb(host: &mut Rtnl, owner: &Owner, result: Option<&Success>) -> Result<Option<Link>> {
    let found = host.link(&ifb::shared_name(owner)).map_err(kernel)?;
    let is_nobodys = |link: &Link| {
        link.is_kind(Kind::Ifb.name()) && link.alias.is_none() && !ifb::is_of_network(owner.network(), link)
    };
    Ok(found.filter(|link| is_nobodys(link) && result.is_none_or(|result| is_told(result, link))))
}

fn is_told(result: &Success, ifb: &Link) -> bool {
    let mut named = result.interfaces.iter().filter(|told| told.sandbox.is_none() && told.name == ifb.name);
    named.any(|told| told.mac.is_none() || has_mac(ifb, told))
}

/// Takes its limits off the host's end of the container's interface. Of a container that has gone they have gone with that end.
///
/// A redirect to the container's `ifb` is its doing for sure; so is a limit beside one, or on a link that the result tells of, if
/// it is as the configuration wants it.
pub fn release(host: &mut Rtnl, del: &Del<Conf>, ifb: Option<&Link>) -> Result<()> {
    let limit = Plan::new(&del.network.conf).ok().and_then(|plan| plan.ingress);
    let Some(port) = (if ifb.is_some() || limit.is_some() { find_port(host, del)? } else { None }) else {
        return Ok(());
    };
    let redirect = ifb.map(|ifb| Filter::Redirect(ifb.index));
    let filters = host.filters(&port).map_err(kernel)?;
    let leads_there = redirect.is_some_and(|redirect| filters.contains(&redirect));
    if leads_there {
        host.del_qdisc(&port, Place::Ingress).map_err(kernel)?;
    }
    let is_told = del.network.prev_result.as_ref().is_some_and(|result| port::is_told(result, &port));
    match limit.filter(|_| leads_there || is_told) {
        Some(limit) if has_limit(host, &port, limit)? => host.del_qdisc(&port, Place::Root).map_err(kernel),
        _ => Ok(()),
    }
}

fn find_port(host: &mut Rtnl, del: &Del<Conf>) -> Result<Option<Link>> {
    let Some(netns) = open_if_there(del.netns.as_deref())? else { return Ok(None) };
    let inner = netns.rtnl().and_then(|mut inside| inside.link(&del.attachment.ifname)).map_err(kernel)?;
    inner.filter(|inner| inner.is_kind("veth")).map_or(Ok(None), |inner| veth::peer_of(host, &inner))
}

fn has_limit(host: &mut Rtnl, port: &Link, limit: Limit) -> Result<bool> {
    let root = host.qdisc(port, Place::Root).map_err(kernel)?.filter(|root| root.handle == HANDLE);
    let tbf = root.and_then(|root| root.tbf);
    Ok(tbf.is_some_and(|tbf| limit.difference(&tbf, port.mtu, net::tick()).is_none()))
}
