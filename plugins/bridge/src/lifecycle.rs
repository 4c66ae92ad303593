//! Bridges come with the first attachment, and may go with the last.
//!
//! A bridge that is made here has a hardware address by which it is known again: no message that makes a link takes an alias with
//! it. One that somebody else has made never has it, and is never removed.

use attach::{host, kernel, masters};
use cni::{Result, Undo};
use net::{Link, Mac, Rtnl, here};

use crate::plan::Plan;

/// The hardware address of a bridge that is to be made.
pub fn address(bridge: &str) -> Mac {
    host::own_mac(bridge).unwrap_or_else(Mac::random)
}

/// Takes an ephemeral bridge back once no port is left: so this is to be undone behind the port.
pub fn prepare(plan: &Plan, undo: &mut Undo) {
    if plan.ephemeral {
        let bridge = plan.bridge.clone();
        undo.push(format!("create bridge \"{bridge}\""), move || remove_unused(&bridge));
    }
}

/// Removes the bridge if it was made here and has neither ports nor links upon it; its interfaces in VLANs go with it.
pub fn remove_unused(bridge: &str) -> Result<()> {
    // Without it a port might come between the look and the removal.
    let Some(turn) = masters::alone(&here()) else { return Ok(()) };
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let made_here = |link: &Link| link.is_kind("bridge") && link.mac.is_some() && link.mac == host::own_mac(bridge);
    if let Some(bridge) = host.link(bridge).map_err(kernel)?.filter(made_here) {
        remove(&mut host, &bridge)?;
    }
    drop(turn);
    Ok(())
}

fn remove(host: &mut Rtnl, bridge: &Link) -> Result<()> {
    let links = host.links().map_err(kernel)?;
    let (ours, others): (Vec<_>, Vec<_>) = links
        .iter()
        .filter(|link| link.master == Some(bridge.index) || link.parent() == Some(bridge.index))
        .partition(|port| is_vlan_end(port, bridge, &links));
    if !others.is_empty() {
        return Ok(());
    }
    for link in ours.into_iter().chain([bridge]) {
        host.del_link(link.index).map_err(kernel)?;
    }
    Ok(())
}

/// Whether a port is the other end of the bridge's interface in a VLAN.
fn is_vlan_end(port: &Link, bridge: &Link, links: &[Link]) -> bool {
    let peer = port.peer.filter(|_| port.is_kind("veth") && !port.peer_elsewhere);
    let peer = peer.and_then(|peer| links.iter().find(|link| link.index == peer));
    let vlan = peer.and_then(|peer| peer.name.strip_prefix(&bridge.name)?.strip_prefix('.'));
    vlan.is_some_and(|vlan| vlan.parse::<u16>().is_ok())
}
