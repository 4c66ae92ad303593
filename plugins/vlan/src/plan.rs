//! What an ADD is going to do: the configuration with its defaults, checked. Nothing here touches the kernel.

use attach::{keys, parent::Parent, upper::Upper, verify::failed};
use cni::{Error, Result};
use net::{Kind, Link};

use crate::conf::Conf;

/// The largest VLAN ID. 4095 is reserved (IEEE 802.1Q).
const ID_MAX: u16 = 4094;

/// The container's link that the configuration asks for.
pub fn link(conf: &Conf) -> Result<Upper> {
    let parent = Parent::new(conf.master.as_deref(), conf.link_in_container)?;
    if parent.name.is_none() {
        return Err(Error::invalid("\"master\" field is required: it names the link to create the VLAN interface for"));
    }
    Ok(Upper {
        parent,
        kind: Kind::Vlan { id: id(conf.vlan_id.unwrap_or(0))? },
        mac: None,
        mtu: keys::mtu(conf.mtu, keys::MTU_MAX, ", at most that of the master")?,
        dns: conf.dns.clone(),
    })
}

fn id(id: i64) -> Result<u16> {
    let taken = u16::try_from(id).ok().filter(|id| *id <= ID_MAX);
    taken.ok_or_else(|| Error::invalid(format!("invalid VLAN ID {id}: \"vlanId\" must be 0 to {ID_MAX}")))
}

/// Fails unless a container's link is the VLAN of `wanted`.
pub fn check_id(link: &Link, wanted: Kind) -> Result<()> {
    match (link.data, wanted) {
        (Some(Kind::Vlan { id: is }), Kind::Vlan { id: wanted }) if is != wanted => {
            Err(failed(format!("check interface \"{}\": its VLAN is {is}, not {wanted}", link.name)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
