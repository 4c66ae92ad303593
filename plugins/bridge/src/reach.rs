//! Who reaches the network, and what it reaches: the keys that say so, checked. Pure.

use std::net::IpAddr;

use attach::{
    exposure::{self, Exposure, Mode},
    keys,
};
use cni::{Error, Result, parse_ip};
use ipnetwork::IpNetwork;

use crate::conf::Conf;

/// What a network is to the host and to what is behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// IPv4 and IPv6.
    families: [Family; 2],
    internal: bool,
    apart: bool,
    isolated: bool,
    trusted: Vec<String>,
    sources: [Option<IpAddr>; 2],
}

/// The same of one address family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Family {
    /// How its containers are reached; unset is as the host has it.
    pub mode: Option<Mode>,
    /// The gateway's address goes on the bridge.
    pub gateway: bool,
    /// The container gets a default route through the gateway.
    pub default_gateway: bool,
    /// What leaves the network is masqueraded.
    pub masquerade: bool,
}

impl Reach {
    /// Checks the keys.
    pub fn new(conf: &Conf) -> Result<Self> {
        let of_both = mode("gatewayMode", conf.gateway_mode.as_deref())?;
        let v4 = mode("gatewayModeIPv4", conf.gateway_mode_ipv4.as_deref())?.or(of_both);
        let v6 = mode("gatewayModeIPv6", conf.gateway_mode_ipv6.as_deref())?.or(of_both);
        for (key, value) in [("isDefaultGateway", conf.is_default_gateway), ("ipMasq", conf.ip_masq)] {
            if conf.internal && value == Some(true) {
                return Err(Error::invalid(format!(
                    "\"{key}\" true: nothing leaves a network that is \"internal\": one of both must be false"
                )));
            }
        }
        let sources = sources(conf)?;
        let trusted = conf.trusted_interfaces.iter().map(|name| keys::link_name("trustedInterfaces", name));
        let family = |mode, source: Option<IpAddr>| Family::new(mode, conf, source);
        Ok(Self {
            families: [family(v4, sources[0])?, family(v6, sources[1])?],
            internal: conf.internal,
            apart: conf.icc == Some(false),
            isolated: conf.isolated,
            trusted: trusted.collect::<Result<_>>()?,
            sources,
        })
    }

    /// Whether the host has an address on the bridge, of either family.
    pub fn gateway(&self) -> bool {
        self.families.iter().any(|family| family.gateway)
    }

    /// Whether anything is masqueraded.
    pub fn masquerade(&self) -> bool {
        self.families.iter().any(|family| family.masquerade)
    }

    /// Whether containers reach each other by published ports only.
    pub fn apart(&self) -> bool {
        self.apart
    }

    /// Whether it is internal for the family of `address`.
    pub fn is_internal(&self, address: &IpNetwork) -> bool {
        self.internal || self.of(address).mode == Some(Mode::Isolated)
    }

    /// What is so for the family of `address`.
    pub fn of(&self, address: &IpNetwork) -> Family {
        let [v4, v6] = self.families;
        if address.is_ipv4() { v4 } else { v6 }
    }

    /// What the firewall has to see to behind `link`, if anything.
    pub fn exposure(&self, link: &str) -> Option<Exposure> {
        let exposure = Exposure {
            link: link.to_owned(),
            modes: self.families.map(|family| family.mode),
            internal: self.internal,
            apart: self.apart,
            isolated: self.isolated,
            trusted: self.trusted.clone(),
            sources: self.sources,
        };
        (exposure != Exposure { link: link.to_owned(), ..Exposure::default() }).then_some(exposure)
    }
}

impl Family {
    /// A mode brings what belongs to it, unless a key says no.
    fn new(mode: Option<Mode>, conf: &Conf, source: Option<IpAddr>) -> Result<Self> {
        let (is_closed, translates) = match mode {
            None => (conf.internal, conf.ip_masq.unwrap_or(false)),
            Some(Mode::Nat | Mode::NatUnprotected) => (conf.internal, conf.ip_masq.unwrap_or(true)),
            Some(Mode::Routed) => (conf.internal, false),
            Some(Mode::Isolated) => (true, false),
        };
        if let Some(source) = source
            && (is_closed || mode == Some(Mode::Routed))
        {
            return Err(Error::invalid(format!(
                "\"snatTo\" \"{source}\": what is \"internal\", or \"routed\" or \"isolated\" by its \"gatewayMode\", gets no other source"
            )));
        }
        let default_gateway = !is_closed && conf.is_default_gateway.unwrap_or(mode.is_some());
        let is_gateway = conf.is_gateway.unwrap_or(mode.is_some() || conf.internal) || default_gateway;
        Ok(Self {
            mode,
            gateway: mode != Some(Mode::Isolated) && is_gateway,
            default_gateway,
            masquerade: !is_closed && translates && source.is_none(),
        })
    }
}

fn mode(key: &str, word: Option<&str>) -> Result<Option<Mode>> {
    let words = Mode::ALL.map(|mode| (mode.name(), mode));
    word.filter(|word| !word.is_empty()).map(|word| keys::word(key, "gateway mode", Some(word), &words)).transpose()
}

/// At most one of each family.
fn sources(conf: &Conf) -> Result<[Option<IpAddr>; 2]> {
    let refuse = |text: &str, why: &str| Err(Error::invalid(format!("\"snatTo\" \"{text}\": {why}")));
    let mut sources = [None; 2];
    for text in &conf.snat_to {
        let Some(address) = parse_ip(text) else { return refuse(text, "must be an address of the host") };
        if !exposure::is_source(address) {
            return refuse(text, "must be an address that packets can come from");
        }
        let [v4, v6] = &mut sources;
        if (if address.is_ipv4() { v4 } else { v6 }).replace(address).is_some() {
            return refuse(text, "there is one of its family already: must be one of each at most");
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reach(json: Value) -> Result<Reach> {
        Reach::new(&cni::json::decode::<Conf>(&json).unwrap())
    }

    fn families(json: Value) -> [(bool, bool, bool); 2] {
        reach(json).unwrap().families.map(|family| (family.gateway, family.default_gateway, family.masquerade))
    }

    #[test]
    fn without_the_keys_all_is_as_the_reference_has_it() {
        assert_eq!(families(json!({})), [(false, false, false); 2]);
        assert_eq!(families(json!({"isGateway": true, "ipMasq": true})), [(true, false, true); 2]);
        assert_eq!(families(json!({"isDefaultGateway": true})), [(true, true, false); 2]);
        assert_eq!(reach(json!({"ipMasq": true, "icc": true})).unwrap().exposure("br0"), None);
    }

    #[test]
    fn a_mode_brings_what_belongs_to_it_unless_a_key_says_no() {
        assert_eq!(families(json!({"gatewayMode": "nat"})), [(true, true, true); 2]);
        assert_eq!(families(json!({"gatewayMode": "nat-unprotected", "ipMasq": false})), [(true, true, false); 2]);
        assert_eq!(families(json!({"gatewayMode": "nat", "isDefaultGateway": false})), [(true, false, true); 2]);
        let both = families(json!({"gatewayModeIPv4": "nat", "gatewayModeIPv6": "routed"}));
        assert_eq!(both, [(true, true, true), (true, true, false)]);
        let one = families(json!({"gatewayMode": "isolated", "gatewayModeIPv6": "routed"}));
        assert_eq!(one, [(false, false, false), (true, true, false)]);
        assert_eq!(families(json!({"internal": true})), [(true, false, false); 2]);
        assert_eq!(families(json!({"internal": true, "gatewayMode": "isolated"})), [(false, false, false); 2]);
        assert_eq!(
            families(json!({"gatewayMode": "nat", "snatTo": ["192.0.2.1"]})),
            [(true, true, false), (true, true, true)]
        );
    }

    #[test]
    fn refusals_name_key_value_and_what_is_allowed() {
        for (keys, expected) in [
            (json!({"gatewayMode": "bridge"}), "\"bridge\", \"gatewayMode\" must be one of \"nat\""),
            (json!({"gatewayModeIPv6": "NAT"}), "\"gatewayModeIPv6\" must be one of"),
            (
                json!({"internal": true, "ipMasq": true}),
                "\"ipMasq\" true: nothing leaves a network that is \"internal\"",
            ),
            (json!({"internal": true, "isDefaultGateway": true}), "\"isDefaultGateway\" true"),
            (json!({"trustedInterfaces": ["eth 0"]}), "\"trustedInterfaces\" \"eth 0\""),
            (json!({"snatTo": ["host"]}), "\"snatTo\" \"host\": must be an address"),
            (json!({"snatTo": ["224.0.0.1"]}), "must be an address that packets can come from"),
            (json!({"snatTo": ["192.0.2.1", "192.0.2.2"]}), "one of each at most"),
            (json!({"snatTo": ["2001:db8::1"], "gatewayModeIPv6": "routed"}), "\"snatTo\" \"2001:db8::1\": what is"),
            (json!({"snatTo": ["192.0.2.1"], "internal": true}), "gets no other source"),
        ] {
            let msg = reach(keys).unwrap_err().msg;
            assert!(msg.contains(expected), "{msg}");
        }
    }
}
