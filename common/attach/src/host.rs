//! What containers need of the host. Settings are shared by all of them: ensured, never taken back.

use std::{fs, os::unix::fs::MetadataExt};

use cni::{Code, Error, Result};
use ipnetwork::IpNetwork;
use net::{Kind, Mac, Rtnl, here, sysctl};
use sha2::{Digest, Sha512};

use crate::kernel;

/// Lets the host forward packets of the families of `addresses`.
pub fn enable_forwarding<'a>(addresses: impl IntoIterator<Item = &'a IpNetwork>) -> Result<()> {
    let (mut v4, mut v6) = (false, false);
    for address in addresses {
        v4 |= address.is_ipv4();
        v6 |= address.is_ipv6();
    }
    if v4 {
        sysctl::ensure(&here(), "net/ipv4/ip_forward", "1").map_err(kernel)?;
    }
    if v6 {
        sysctl::ensure(&here(), "net/ipv6/conf/all/forwarding", "1").map_err(kernel)?;
    }
    Ok(())
}

/// Settles, before it is up, how a new interface of the host that containers are behind does IPv6.
///
/// Containers must not become the host's router. And the host can solicit neighbours for what it forwards to containers
/// only from a link-local address that has been probed for duplicates (`ndisc_send_ns`, `net/ipv6/ndisc.c`): a second or
/// two in which new containers are out of reach. Nobody else can have that address, which follows from a random one.
pub fn prepare_ipv6(link: &str) {
    for setting in ["accept_ra", "accept_dad"] {
        // Missing where the kernel has no IPv6.
        if let Err(error) = sysctl::set(&here(), &format!("net/ipv6/conf/{link}/{setting}"), "0") {
            log::info!("{error}");
        }
    }
}

/// The hardware address that a link `name` of this network namespace gets if it is made here: nobody else's link has it. None
/// where that cannot be told from others' for certain.
pub fn own_mac(name: &str) -> Option<Mac> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let netns = fs::metadata("/proc/thread-self/ns/net").ok()?.ino();
    let digest = Sha512::digest(format!("{} {netns} {name}", boot.trim()));
    let mut octets = <[u8; 6]>::try_from(digest.get(..6)?).ok()?;
    // Unicast, and administered locally.
    octets[0] = (octets[0] & 0xfc) | 0x02;
    Some(Mac(octets))
}

/// Fails if the kernel has no links of this kind.
pub fn check_kind(kind: Kind) -> Result<()> {
    if Rtnl::open(&here()).and_then(|mut rtnl| rtnl.has_kind(kind)).map_err(kernel)? {
        return Ok(());
    }
    Err(Error::new(Code::Kernel, format!("find links of kind {}: the kernel has none", kind.name())))
}
