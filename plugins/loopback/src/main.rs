//! The CNI plugin `loopback`: brings `lo` of a container up.
//!
//! Whatever `CNI_IFNAME` says, the interface is `lo`: a network namespace has just the one.

use std::process::ExitCode;

use attach::{kernel, verify::failed, veth::existing};
use cni::{Add, Check, Del, Error, Gc, Interface, IpConfig, Plugin, Result, Status, Success, Undo};
use ipnetwork::IpNetwork;
use net::{Address, Errno, Link, LinkChange, Netns, Rtnl};
use serde::Deserialize;

const LO: &str = "lo";

fn main() -> ExitCode {
    cni::skel::main::<Loopback>()
}

struct Loopback;

/// There are no keys of its own.
#[derive(Debug, Deserialize)]
struct Conf {}

impl Plugin for Loopback {
    const NAME: &'static str = "loopback";
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let netns = Netns::open(&add.netns).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let lo = existing(&mut rtnl, LO)?;
        check_addresses(&rtnl.addresses(&lo).map_err(kernel)?)?;
        if !lo.up {
            // First: what gets lost may be the kernel's answer alone.
            undo.push("bring lo up", move || {
                let mut rtnl = netns.rtnl().map_err(kernel)?;
                let lo = existing(&mut rtnl, LO)?;
                set_up(&mut rtnl, &lo, false)
            });
            set_up(&mut rtnl, &lo, true)?;
        }
        // The kernel adds 127.0.0.1 and ::1 when it comes up.
        let addresses = rtnl.addresses(&lo).map_err(kernel)?;
        let sandbox = add.netns.display().to_string();
        Ok(add.network.prev_result.clone().unwrap_or_else(|| success(&lo, &addresses, sandbox)))
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let Some(path) = &del.netns else { return Ok(()) };
        match Netns::open(path).and_then(|netns| netns.rtnl()) {
            // Gone, and with it its `lo`. What is left of its mount point is an ordinary file.
            Err(error) if error.is_not_found() || error.errno == Errno::EINVAL => Ok(()),
            Err(error) => Err(kernel(error)),
            Ok(mut rtnl) => {
                let lo = existing(&mut rtnl, LO)?;
                set_up(&mut rtnl, &lo, false)
            }
        }
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        if existing(&mut rtnl, LO)?.up {
            return Ok(());
        }
        Err(failed(format!("check interface \"{LO}\" in {}: it is down", check.netns.display())))
    }

    /// It keeps nothing on the host.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    /// It needs nothing but rtnetlink.
    fn status(_: &Status<Conf>) -> Result<()> {
        Rtnl::open(&net::here()).map(drop).map_err(|error| Error { code: cni::Code::NotReady, ..kernel(error) })
    }
}

fn set_up(rtnl: &mut Rtnl, lo: &Link, up: bool) -> Result<()> {
    rtnl.set_link(lo, &LinkChange { up: Some(up), ..LinkChange::default() }).map_err(kernel)
}

/// Fails if `lo` has an address that packets could come to from outside.
fn check_addresses(addresses: &[Address]) -> Result<()> {
    match addresses.iter().find(|address| !is_loopback(&address.ip)) {
        None => Ok(()),
        Some(address) => {
            Err(Error::invalid(format!("loopback interface found with non-loopback address \"{}\"", address.ip)))
        }
    }
}

fn is_loopback(address: &IpNetwork) -> bool {
    address.ip().is_loopback()
}

/// `lo` with its first address of each family.
fn success(lo: &Link, addresses: &[Address], sandbox: String) -> Success {
    let first = |v4: bool| addresses.iter().find(|address| address.ip.is_ipv4() == v4);
    let ips = [first(true), first(false)].into_iter().flatten();
    Success {
        interfaces: vec![Interface {
            name: lo.name.clone(),
            mac: lo.mac.map(|mac| mac.to_string()),
            mtu: Some(lo.mtu),
            sandbox: Some(sandbox),
            ..Interface::default()
        }],
        ips: ips.map(|address| IpConfig { interface: Some(0), address: address.ip, gateway: None }).collect(),
        ..Success::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| Address::new(text.parse().unwrap())).collect()
    }

    #[test]
    fn only_loopback_addresses_are_accepted() {
        assert_eq!(check_addresses(&addresses(&["127.0.0.1/8", "127.1.2.3/8", "::1/128"])), Ok(()));
        let refused = check_addresses(&addresses(&["127.0.0.1/8", "10.0.0.1/8"])).unwrap_err();
        assert!(refused.msg.contains("10.0.0.1/8"));
    }
}
