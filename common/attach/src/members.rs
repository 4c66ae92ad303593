//! Whether a bridge has ports of attachments left, which is how long what they share stays.

use cni::Result;
use net::{Link, LinkIndex, Rtnl, here};

use crate::{homes::bridges_of, kernel};

/// Whether a bridge has ports other than `going` that are `wanted`; `link` is the bridge, or its interface in a VLAN
/// (`cni0`, `cni0.100`).
pub fn has_members(link: &str, going: &[LinkIndex], wanted: &dyn Fn(&Link) -> bool) -> Result<bool> {
    for bridge in bridges_of(link) {
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let Some(bridge) = host.link(bridge).map_err(kernel)? else { continue };
        let stays = |port: &Link| wanted(port) && !going.contains(&port.index);
        if host.find_port(bridge.index, stays).map_err(kernel)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those of `links` that have none.
pub(crate) fn without_members(
    links: &[String],
    going: &[LinkIndex],
    wanted: &dyn Fn(&Link) -> bool,
) -> Result<Vec<String>> {
    let mut without = Vec::new();
    for link in links {
        if !has_members(link, going, wanted)? {
            without.push(link.clone());
        }
    }
    Ok(without)
}
