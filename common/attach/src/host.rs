//! Settings of the host that containers need. Shared by all of them: ensured, never taken back.

use cni::Result;
use ipnetwork::IpNetwork;
use net::{here, sysctl};

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
