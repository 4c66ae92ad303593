//! What an ADD is going to do: the configuration with its defaults, checked. Nothing here touches the kernel.

use std::net::IpAddr;

use attach::{first_host, ip_masq::Backend, keys};
use cni::{Dns, Error, IpConfig, Result, Success};

use crate::conf::Conf;

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The MTU of both ends; unset is the kernel's choice.
    pub mtu: Option<u32>,
    /// What leaves the network is masqueraded, if it is.
    pub masquerade: Option<Backend>,
    /// Name servers that go before those of the delegate.
    pub dns: Dns,
}

impl Plan {
    /// Checks the configuration.
    pub fn new(conf: &Conf, has_ipam: bool) -> Result<Self> {
        if !has_ipam {
            return Err(Error::invalid("\"ipam.type\" is missing: it must name the plugin that hands out addresses"));
        }
        Ok(Self {
            mtu: keys::mtu(conf.mtu, keys::MTU_MAX, "")?,
            masquerade: Backend::of(conf.ip_masq, conf.ip_masq_backend.as_deref())?,
            dns: conf.dns.clone(),
        })
    }
}

/// The delegate's result with a gateway for each address: it is the host's end of the pair.
///
/// # Errors
/// Code 7 if an address has none that the host's end could have.
pub fn complete(mut lease: Success) -> Result<Success> {
    for ip in &mut lease.ips {
        ip.gateway = Some(gateway(ip)?);
    }
    Ok(lease)
}

fn gateway(ip: &IpConfig) -> Result<IpAddr> {
    let address = ip.address;
    let Some(gateway) = ip.gateway else {
        let derived = first_host(&address).filter(|first| address.contains(*first) && *first != address.ip());
        return derived.ok_or_else(|| {
            Error::invalid(format!(
                "address {address} of \"ipam\" has no gateway, and its subnet no other address to take: \"ipam\" must name one"
            ))
        });
    };
    let refuse = |why: &str| Err(Error::invalid(format!("gateway {gateway} of address {address} of \"ipam\": {why}")));
    if gateway.is_ipv4() != address.is_ipv4() {
        refuse("it must be of the same address family")
    } else if gateway == address.ip() {
        refuse("it is the container's own, and must be another that the host can have")
    } else if gateway.is_unspecified() || gateway.is_multicast() {
        refuse("it must be an address that the host can have")
    } else {
        Ok(gateway)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(conf: &Value) -> Result<Plan> {
        Plan::new(&cni::json::decode(conf).unwrap(), true)
    }

    /// The gateway of an address for which the delegate names this one, or none.
    fn gateway_of(address: &str, gateway: Option<&str>) -> Result<String, String> {
        let ip = IpConfig {
            interface: None,
            address: address.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        };
        let lease = Success { ips: vec![ip], ..Success::default() };
        let completed = complete(lease).map_err(|error| error.msg)?;
        Ok(completed.ips[0].gateway.unwrap().to_string())
    }

    #[test]
    fn defaults_are_the_references() {
        let nothing = Plan { mtu: None, masquerade: None, dns: Dns::default() };
        assert_eq!(plan(&json!({})), Ok(nothing.clone()));
        assert_eq!(plan(&json!({"mtu": 0, "ipMasq": false, "ipMasqBackend": "junk", "dns": null})), Ok(nothing));
    }

    #[test]
    fn every_key_is_read() {
        let all = plan(&json!({"mtu": 1400, "ipMasq": true, "ipMasqBackend": "iptables", "dns": {"domain": "d"}}));
        let dns = Dns { domain: Some("d".into()), ..Dns::default() };
        assert_eq!(all, Ok(Plan { mtu: Some(1400), masquerade: Some(Backend::Iptables), dns }));
        assert_eq!(plan(&json!({"ipMasq": true})).unwrap().masquerade, Some(Backend::Any));
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        let refusal = |conf| plan(&conf).unwrap_err().msg;
        assert!(refusal(json!({"mtu": 67})).starts_with("\"mtu\" 67: must be 0"));
        assert!(refusal(json!({"ipMasq": true, "ipMasqBackend": "x"})).starts_with("unknown ipmasq backend \"x\""));
        let error = Plan::new(&Conf::default(), false).unwrap_err();
        assert_eq!(error.msg, "\"ipam.type\" is missing: it must name the plugin that hands out addresses");
    }

    #[test]
    fn gateway_is_the_delegates_or_the_first_address() {
        let named = |address, gateway| gateway_of(address, Some(gateway)).unwrap();
        assert_eq!(named("10.1.0.5/24", "10.1.0.254"), "10.1.0.254");
        assert_eq!(named("10.1.0.5/32", "169.254.1.1"), "169.254.1.1");
        assert_eq!(named("fd01::5/64", "fe80::1"), "fe80::1");
        assert_eq!(gateway_of("10.1.0.5/24", None).unwrap(), "10.1.0.1");
        assert_eq!(gateway_of("fd01::5/64", None).unwrap(), "fd01::1");
        assert_eq!(gateway_of("10.1.0.4/31", None).unwrap(), "10.1.0.5");
    }

    #[test]
    fn gateway_that_the_host_cannot_have_is_refused() {
        for address in ["10.1.0.1/24", "10.1.0.5/32", "fd01::5/128", "255.255.255.255/32"] {
            let msg = gateway_of(address, None).unwrap_err();
            assert!(msg.starts_with(&format!("address {address} of \"ipam\" has no gateway, and")), "{msg}");
        }
        for (gateway, why) in [
            ("10.1.0.5", "it is the container's own"),
            ("fd01::1", "it must be of the same address family"),
            ("0.0.0.0", "it must be an address that the host can have"),
            ("224.0.0.1", "it must be an address that the host can have"),
        ] {
            let msg = gateway_of("10.1.0.5/24", Some(gateway)).unwrap_err();
            assert!(msg.starts_with(&format!("gateway {gateway} of address 10.1.0.5/24 of \"ipam\": {why}")), "{msg}");
        }
    }
}
