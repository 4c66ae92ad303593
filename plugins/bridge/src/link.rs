//! The bridge and its ports.

use attach::{
    Owner,
    host::prepare_ipv6,
    kernel, told,
    verify::failed,
    veth::{self, existing},
};
use cni::{Code, Error, Interface, Result, Success};
use net::{BridgeSpec, Errno, Link, LinkChange, Rtnl};

use crate::{conf::Conf, lifecycle, plan::Plan};

/// The place of the container's interface in a result, behind bridge and port.
pub const CONTAINER: i64 = 2;

/// The bridge, made if need be, up, and as the configuration wants it.
pub fn ensure_bridge(host: &mut Rtnl, plan: &Plan) -> Result<Link> {
    let bridge = match host.link(&plan.bridge).map_err(kernel)? {
        Some(bridge) => bridge,
        None => create(host, plan)?,
    };
    check_kind(&bridge)?;
    if plan.vlans.filtering && !bridge.vlan_filtering {
        enable_vlan_filtering(host, &bridge)?;
    }
    let change = LinkChange {
        up: (!bridge.up).then_some(true),
        promisc: (plan.promisc && !bridge.promisc).then_some(true),
        ..LinkChange::default()
    };
    if change != LinkChange::default() {
        host.set_link(&bridge, &change).map_err(kernel)?;
    }
    Ok(bridge)
}

/// A kernel that was built without VLAN filtering refuses it or, some versions, takes no notice: look again.
fn enable_vlan_filtering(host: &mut Rtnl, bridge: &Link) -> Result<()> {
    host.enable_vlan_filtering(bridge).map_err(|error| no_filtering(&bridge.name, error.to_string()))?;
    if existing(host, &bridge.name)?.vlan_filtering {
        return Ok(());
    }
    Err(no_filtering(&bridge.name, "it is off still".to_owned()))
}

fn no_filtering(bridge: &str, why: String) -> Error {
    let msg = format!(
        "separate vlans on bridge \"{bridge}\" for \"vlan\" or \"vlanTrunk\": the kernel does not filter (CONFIG_BRIDGE_VLAN_FILTERING)"
    );
    Error::new(Code::Kernel, msg).details(why)
}

/// Keeps the bridge's hardware address what it was: one that nobody has set follows the ports that come and go.
pub fn pin_address(host: &mut Rtnl, bridge: &Link) -> Result<()> {
    let now = existing(host, &bridge.name)?;
    if now.mac == bridge.mac {
        return Ok(());
    }
    host.set_link(bridge, &LinkChange { mac: bridge.mac, ..LinkChange::default() }).map_err(kernel)
}

fn create(host: &mut Rtnl, plan: &Plan) -> Result<Link> {
    let spec = BridgeSpec {
        name: plan.bridge.clone(),
        mac: lifecycle::address(&plan.bridge),
        mtu: plan.mtu,
        vlan_filtering: plan.vlans.filtering,
    };
    match host.add_bridge(&spec) {
        // Another container's ADD was faster.
        Err(error) if error.is_exists() => {}
        Err(error) if plan.vlans.filtering && error.errno == Errno::EOPNOTSUPP => {
            return Err(no_filtering(&plan.bridge, error.to_string()));
        }
        created => created.map_err(kernel)?,
    }
    prepare_ipv6(&plan.bridge);
    existing(host, &plan.bridge)
}

/// Fails unless the link is a bridge.
pub fn check_kind(link: &Link) -> Result<()> {
    if link.is_kind("bridge") {
        return Ok(());
    }
    let msg = format!("failed to create bridge \"{0}\": \"{0}\" already exists but is not a bridge", link.name);
    Err(Error::new(Code::InUse, msg).details(format!("it is {}", link.kind.as_deref().unwrap_or("hardware"))))
}

/// Gives the port what a new one does not have by itself.
pub fn set_port(host: &mut Rtnl, port: &Link, plan: &Plan) -> Result<()> {
    if !plan.port.is_empty() {
        host.set_port(port, plan.port).map_err(kernel)?;
    }
    if plan.vlans.of_port.is_empty() {
        return Ok(());
    }
    let leave = plan.vlans.to_leave(&host.port_vlans(port).map_err(kernel)?);
    if !leave.is_empty() {
        host.del_port_vlans(port, &leave).map_err(kernel)?;
    }
    host.add_port_vlans(port, &plan.vlans.of_port).map_err(kernel)
}

/// The interfaces of a result: bridge, port, container, and a VLAN's gateway.
pub fn interfaces(
    bridge: &Link,
    port: &Link,
    container: &Link,
    gateway: Option<&Link>,
    sandbox: String,
) -> Vec<Interface> {
    let inside = told::interface(container, Some(sandbox));
    let on_host = |link: &Link| told::interface(link, None);
    let vlan = gateway.filter(|gateway| gateway.index != bridge.index);
    [on_host(bridge), on_host(port), inside].into_iter().chain(vlan.map(on_host)).collect()
}

/// The name of the bridge that the ports belong to.
pub fn bridge_of(host: &mut Rtnl, ports: &[Link]) -> Result<Option<String>> {
    let Some(master) = ports.iter().find_map(|port| port.master) else { return Ok(None) };
    Ok(host.link_at(master).map_err(kernel)?.map(|bridge| bridge.name))
}

/// Whether a link is a port of the network's bridge.
pub fn is_port(host: &mut Rtnl, conf: &Conf, link: &Link) -> Result<bool> {
    let bridge = host.link(conf.bridge()).map_err(kernel)?;
    Ok(bridge.is_some_and(|bridge| link.master == Some(bridge.index)))
}

/// Fails unless the bridge is as the configuration and the result have it.
pub fn check_bridge(host: &mut Rtnl, plan: &Plan, prev: &Success) -> Result<Link> {
    let bridge = host.link(&plan.bridge).map_err(kernel)?;
    let bridge = bridge.ok_or_else(|| failed(format!("check bridge \"{}\": it has gone", plan.bridge)))?;
    check_kind(&bridge).map_err(|error| failed(error.msg))?;
    if let Some(told) = prev.interfaces.iter().find(|told| told.name == bridge.name && told.sandbox.is_none()) {
        attach::verify::same_link(&bridge, told, "bridge")?;
    }
    if plan.promisc && !bridge.promisc {
        return Err(failed(format!("check bridge \"{}\": it is not promiscuous", bridge.name)));
    }
    Ok(bridge)
}

/// Fails unless the container's link is a port of the bridge with the settings that the configuration asks for.
pub fn check_port(host: &mut Rtnl, owner: &Owner, bridge: &Link, inner: &Link, plan: &Plan) -> Result<Link> {
    let port = match veth::find(host, owner)?.pop() {
        Some(port) => Some(port),
        // Another implementation has made it.
        None => veth::peer_of(host, inner)?,
    };
    let port = port.ok_or_else(|| failed(format!("check port of \"{}\": it is not on this host", inner.name)))?;
    let wrong = |what: &str| Err(failed(format!("check port \"{}\" of \"{}\": {what}", port.name, bridge.name)));
    if port.master != Some(bridge.index) {
        return wrong("it is not a port of this bridge");
    }
    let state = port.port.unwrap_or_default();
    if plan.port.hairpin == Some(true) && !state.hairpin {
        return wrong("it is not in hairpin mode");
    }
    if plan.port.isolated == Some(true) && !state.isolated {
        return wrong("it is not isolated");
    }
    if !plan.vlans.of_port.is_empty() {
        let present: Vec<u16> = host.port_vlans(&port).map_err(kernel)?.iter().map(|vlan| vlan.first).collect();
        let wanted = plan.vlans.of_port.iter().flat_map(|vlan| vlan.first..=vlan.last);
        if let Some(missing) = wanted.into_iter().find(|id| !present.contains(id)) {
            return wrong(&format!("it is not in vlan {missing}"));
        }
    }
    Ok(port)
}
