//! The delegate that manages addresses, during an ADD.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni::{Delegate, Dns, Error, Network, Result, Started, Success, Undo};
use ipnetwork::IpNetwork;

/// The delegate of a network, or none. It starts while the interface is made, and is asked once that is there.
#[derive(Debug)]
pub struct Ipam {
    delegate: Option<(Delegate, Started)>,
}

impl Ipam {
    /// Starts the network's delegate, if it has one.
    pub fn start<C>(network: &Network<C>) -> Result<Self> {
        let start = |delegate: &Delegate| Ok((delegate.clone(), delegate.start()?));
        Ok(Self { delegate: network.ipam.as_ref().map(start).transpose()? })
    }

    /// Has it begin: the interface that it may need is there.
    pub fn ask(&mut self, undo: &mut Undo) -> Result<()> {
        let Some((delegate, started)) = &mut self.delegate else { return Ok(()) };
        let owed = delegate.clone();
        undo.push(format!("ADD of \"{}\"", owed.plugin()), move || owed.del());
        started.ask()
    }

    /// What it hands out, with the name servers of `dns` in the place of its own if there are any, to be for the interface at
    /// this place of a result. Without a delegate there is nothing but those.
    ///
    /// # Errors
    /// The delegate's own, and code 7 if it has handed out no address.
    pub fn lease(self, interface: i64, dns: &Dns) -> Result<Success> {
        let Some((_, started)) = self.delegate else {
            return Ok(Success { dns: dns.clone(), ..Success::default() });
        };
        complete(started.result()?, interface, dns)
    }
}

/// A lease with its addresses for the interface at this place of a result, and the name servers of `dns` if there are any.
pub(crate) fn complete(mut lease: Success, interface: i64, dns: &Dns) -> Result<Success> {
    if lease.ips.is_empty() {
        return Err(Error::invalid("IPAM plugin returned missing IP config"));
    }
    for ip in &mut lease.ips {
        ip.interface = Some(interface);
    }
    if !dns.is_empty() {
        lease.dns = dns.clone();
    }
    // It makes none.
    lease.interfaces.clear();
    Ok(lease)
}

/// The gateway of a network whose delegate names none: its first address.
pub fn first_host(network: &IpNetwork) -> Option<IpAddr> {
    match network.network() {
        IpAddr::V4(ip) => u32::from(ip).checked_add(1).map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(ip) => u128::from(ip).checked_add(1).map(|next| Ipv6Addr::from(next).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(texts: &[&str]) -> Dns {
        Dns { nameservers: texts.iter().map(ToString::to_string).collect(), ..Dns::default() }
    }

    fn lease() -> Success {
        let ip = cni::IpConfig { interface: None, address: "10.1.2.9/24".parse().unwrap(), gateway: None };
        Success { ips: vec![ip], dns: servers(&["10.0.0.1"]), ..Success::default() }
    }

    #[test]
    fn lease_without_addresses_is_refused() {
        let error = complete(Success::default(), 0, &Dns::default()).unwrap_err();
        assert_eq!(error.msg, "IPAM plugin returned missing IP config");
    }

    #[test]
    fn configured_dns_goes_before_the_delegates_unless_it_is_empty() {
        let dns = |dns: &Dns| complete(lease(), 0, dns).unwrap().dns;
        assert_eq!(dns(&servers(&["1.1.1.1"])), servers(&["1.1.1.1"]));
        assert_eq!(dns(&Dns::default()), servers(&["10.0.0.1"]));
        let domain = Dns { domain: Some("example".into()), ..Dns::default() };
        assert_eq!(dns(&domain), domain);
    }

    #[test]
    fn addresses_are_the_interfaces() {
        assert_eq!(complete(lease(), 2, &Dns::default()).unwrap().ips[0].interface, Some(2));
    }
}
