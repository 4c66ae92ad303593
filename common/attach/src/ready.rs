//! Waiting for what the kernel does in its own time, so that an attachment can be used as soon as ADD returns.
//!
//! All of it takes well below a millisecond on an idle machine. A packet that comes before is lost, and its sender tries
//! again after a second.
//!
//! When many attach at once it takes half a second: a worker of the kernel has to get the RTNL mutex in between. Who asks every
//! moment then keeps it from its work, so the pauses grow with the wait.

use std::{
    net::{IpAddr, Ipv6Addr},
    thread,
    time::{Duration, Instant},
};

use cni::{Code, Error, Result};
use net::{Address, Link, LinkIndex, PortState, Rtnl};

use crate::kernel;

/// How soon a state is looked at again: at first, and at most.
const POLL: Duration = Duration::from_micros(200);
const POLL_MAX: Duration = Duration::from_millis(10);
/// After that an address is taken to be usable: rules for routing may hide its route.
const LOCAL_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest wait for duplicate address detection; it takes about a second per probe (RFC 4862, section 5.4).
const DAD_TIMEOUT: Duration = Duration::from_secs(5);

/// `ff02::1`: all nodes on the link (RFC 4291, section 2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Waits until the bridge port `port` passes frames, for at most `timeout`.
///
/// A port that spanning tree holds back (half a minute by default) is not waited for: it will pass them.
pub fn await_forwarding(host: &mut Rtnl, port: LinkIndex, timeout: Duration) -> Result<()> {
    let wait = Wait::new(timeout);
    loop {
        let link = host.link_at(port).map_err(kernel)?;
        let Some(link) = link else {
            return Err(Error::new(Code::Kernel, format!("wait for bridge port {port}: the link has gone")));
        };
        let Some(lack) = lack_of(host, &link)? else { return Ok(()) };
        if wait.is_over() {
            return Err(Error::new(Code::Kernel, format!("wait for bridge port \"{}\": {lack}", link.name)));
        }
        wait.pause();
    }
}

/// What keeps frames from passing between the port and the host, if anything.
///
/// The bridge itself gets its carrier with its first forwarding port, and until then it drops what the host sends.
fn lack_of(host: &mut Rtnl, port: &Link) -> Result<Option<&'static str>> {
    if !port.operational {
        return Ok(Some("the link has no carrier"));
    }
    let bridge = match port.port.unwrap_or_default().state {
        PortState::Disabled => return Ok(Some("the port is disabled")),
        PortState::HeldBack => None,
        PortState::Forwarding => port.master,
    };
    let Some(bridge) = bridge else { return Ok(None) };
    let carried = host.link_at(bridge).map_err(kernel)?.is_none_or(|bridge| bridge.operational);
    Ok((!carried).then_some("the bridge has no carrier"))
}

/// Waits until the kernel answers for `address`, which one of its links has been given.
///
/// For IPv6 a worker of its own joins the address's solicited-node group and then makes its local route, also if there are
/// no duplicates to be detected (`addrconf_dad_work`, `net/ipv6/addrconf.c`).
pub fn await_local(rtnl: &mut Rtnl, address: IpAddr) -> Result<()> {
    let IpAddr::V6(v6) = address else { return Ok(()) };
    until(
        || Ok(v6.is_unicast_link_local() || is_local(rtnl, address)?),
        || format!("address {address}: it has no local route"),
    )
}

/// Waits until the kernel answers by `link` for `address`, which other links may have too.
pub fn await_local_by(rtnl: &mut Rtnl, link: &Link, address: IpAddr) -> Result<()> {
    let IpAddr::V6(v6) = address else { return Ok(()) };
    until(
        || Ok(v6.is_unicast_link_local() || rtnl.has_route_by(link.index, address).map_err(kernel)?),
        || format!("address {address} on \"{}\": it has no local route", link.name),
    )
}

/// Waits until `link` passes packets: a worker gives it its queue once it has noticed the carrier (`linkwatch_do_dev`,
/// `net/core/link_watch.c`).
pub fn await_carrier(rtnl: &mut Rtnl, link: &Link) -> Result<()> {
    until(
        || Ok(rtnl.link_at(link.index).map_err(kernel)?.is_none_or(|link| link.operational)),
        || format!("\"{}\": it has no carrier", link.name),
    )
}

/// Waits until `link` has an address by which the kernel can look for IPv6 neighbours that it forwards packets to.
pub fn await_link_local(rtnl: &mut Rtnl, link: &Link) -> Result<()> {
    let is_usable = |address: &Address| address.is_link_local_v6() && !address.tentative;
    until(
        || Ok(rtnl.addresses(link).map_err(kernel)?.iter().any(is_usable)),
        || format!("IPv6 on \"{}\": it has no link-local address", link.name),
    )
}

/// Waits until duplicate address detection is done with the addresses of `link`, but for those that the kernel has made.
///
/// # Errors
/// Code 101 if it has found another owner, or is not done in five seconds.
pub fn await_dad(rtnl: &mut Rtnl, link: &Link) -> Result<()> {
    let deadline = Instant::now() + DAD_TIMEOUT;
    loop {
        let addresses = rtnl.addresses(link).map_err(kernel)?;
        let refuse = |address: &Address, why: &str| {
            Err(Error::new(Code::InUse, format!("use address {} on \"{}\": {why}", address.ip, link.name)))
        };
        if let Some(taken) = addresses.iter().find(|address| address.dad_failed) {
            return refuse(taken, "duplicate address detection found another owner");
        }
        let Some(tentative) = addresses.iter().find(|address| address.tentative && !address.is_link_local_v6()) else {
            return Ok(());
        };
        if Instant::now() > deadline {
            return refuse(tentative, "duplicate address detection did not finish in 5 seconds");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `link` hears IPv6 neighbours who look for its addresses.
///
/// The kernel makes the route that packets to groups need to come in once a worker has noticed the carrier
/// (`addrconf_link_ready`), which is a moment after the link is up. Nobody knows when there will be one if there is none, such
/// as of a tap that nobody has opened.
pub fn await_groups(rtnl: &mut Rtnl, link: &Link) -> Result<()> {
    if hears_groups(rtnl, link)? || !has_carrier(rtnl, link)? {
        return Ok(());
    }
    until(|| hears_groups(rtnl, link), || format!("IPv6 on \"{}\": it has no route to groups", link.name))
}

/// Waits until something is so, but not for ever: then it is only told of.
fn until(mut is_so: impl FnMut() -> Result<bool>, lack: impl FnOnce() -> String) -> Result<()> {
    let wait = Wait::new(LOCAL_TIMEOUT);
    while !is_so()? {
        if wait.is_over() {
            log::info!("wait for {}", lack());
            break;
        }
        wait.pause();
    }
    Ok(())
}

fn hears_groups(rtnl: &mut Rtnl, link: &Link) -> Result<bool> {
    rtnl.has_route_by(link.index, ALL_NODES.into()).map_err(kernel)
}

fn has_carrier(rtnl: &mut Rtnl, link: &Link) -> Result<bool> {
    Ok(rtnl.link_at(link.index).map_err(kernel)?.is_some_and(|link| link.carrier))
}

/// A wait that looks again and again.
struct Wait {
    since: Instant,
    limit: Duration,
}

impl Wait {
    fn new(limit: Duration) -> Self {
        Self { since: Instant::now(), limit }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() > self.limit
    }

    /// Rests for a fraction of what it has taken till now, which is what the wait may last too long.
    fn pause(&self) {
        thread::sleep((self.since.elapsed() / 4).clamp(POLL, POLL_MAX));
    }
}

fn is_local(rtnl: &mut Rtnl, address: IpAddr) -> Result<bool> {
    Ok(rtnl.route_to(address).map_err(kernel)?.is_some_and(|hop| hop.local))
}
