//! What CHECK looks at inside a container. Later plugins of a chain may have added to it, moved routes to other tables
//! and changed settings: only what the result names has to be there.

use cni::{Code, Error, Interface, Result, Success};
use net::{Link, Netns, Rtnl};

use crate::kernel;

/// Fails unless the container has the interface `ifname` as the previous result has it.
pub fn interface(netns: &Netns, prev: &Success, ifname: &str, kind: &str) -> Result<()> {
    device(netns, prev, ifname, |link| same_kind(link, kind))
}

/// The same for an interface that `is_right` knows.
pub fn device(netns: &Netns, prev: &Success, ifname: &str, is_right: impl FnOnce(&Link) -> Result<()>) -> Result<()> {
    let sandbox = netns.path().display().to_string();
    let (index, told) = find(prev, ifname, &sandbox)?;
    let mut rtnl = netns.rtnl().map_err(kernel)?;
    let link = rtnl.link(ifname).map_err(kernel)?;
    let link = link.ok_or_else(|| failed(format!("check interface \"{ifname}\" in {sandbox}: it has gone")))?;
    is_right(&link)?;
    same_address(&link, told)?;
    addresses(&mut rtnl, &link, prev, index)?;
    routes(&mut rtnl, &link, prev)
}

/// An error of CHECK.
pub fn failed(msg: String) -> Error {
    Error::new(Code::CheckFailed, msg)
}

/// The entry of the container's interface in the previous result, and its index.
pub fn find<'a>(prev: &'a Success, ifname: &str, sandbox: &str) -> Result<(i64, &'a Interface)> {
    let named = prev.interfaces.iter().zip(0..).find(|(interface, _)| {
        interface.name == ifname && interface.sandbox.as_deref().is_some_and(|told| told == sandbox)
    });
    named.map(|(interface, index)| (index, interface)).ok_or_else(|| {
        Error::invalid(format!("check interface \"{ifname}\": prevResult has none of that name in sandbox {sandbox}"))
    })
}

/// Fails unless `link` is of `kind` and has the hardware address that the result tells.
pub fn same_link(link: &Link, told: &Interface, kind: &str) -> Result<()> {
    same_kind(link, kind)?;
    same_address(link, told)
}

fn same_kind(link: &Link, kind: &str) -> Result<()> {
    if link.is_kind(kind) {
        return Ok(());
    }
    let is = link.kind.as_deref().unwrap_or("hardware");
    Err(failed(format!("check interface \"{}\": it is {is}, not {kind}", link.name)))
}

fn same_address(link: &Link, told: &Interface) -> Result<()> {
    let is = link.hardware_address().unwrap_or_default();
    match &told.mac {
        Some(mac) if !mac.eq_ignore_ascii_case(&is) => {
            Err(failed(format!("check interface \"{}\": its address is {is}, not {mac}", link.name)))
        }
        _ => Ok(()),
    }
}

fn addresses(rtnl: &mut Rtnl, link: &Link, prev: &Success, index: i64) -> Result<()> {
    let present = rtnl.addresses(link).map_err(kernel)?;
    for ip in prev.ips.iter().filter(|ip| ip.interface == Some(index)) {
        if !present.iter().any(|address| address.ip == ip.address) {
            return Err(failed(format!("check interface \"{}\": address {} has gone", link.name, ip.address)));
        }
    }
    Ok(())
}

/// Routes may be in any table and have any metric. A default route's next hop may have been chosen by somebody else.
fn routes(rtnl: &mut Rtnl, link: &Link, prev: &Success) -> Result<()> {
    if prev.routes.is_empty() {
        return Ok(());
    }
    let present = rtnl.routes().map_err(kernel)?;
    let own = |route: &cni::Route| prev.ips.iter().any(|ip| ip.address.is_ipv4() == route.dst.is_ipv4());
    for told in prev.routes.iter().filter(|route| own(route)) {
        let same = |route: &&net::Route| {
            route.dst.network() == told.dst.network()
                && route.dst.prefix() == told.dst.prefix()
                && (told.is_default() || told.gw.is_none() || route.gw == told.gw)
        };
        if !present.iter().any(|route| same(&route)) {
            let via = told.gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
            return Err(failed(format!("check interface \"{}\": route to {}{via} has gone", link.name, told.dst)));
        }
    }
    Ok(())
}
