//! What is going to be done: the configuration with its defaults, checked. Nothing here touches the kernel.

use std::{net::IpAddr, path::Path};

use attach::told;
use cni::{Error, IpConfig, Result, Success, parse_ip};

use crate::conf::Conf;

/// A checked configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// `table`: rules lead to this one, which has its routes from somebody else.
    Given(u32),
    /// Each address gets a table of its own, and the interface's routes move there.
    Own {
        /// Next hops that go before those of the previous result.
        gateways: Gateways,
        /// What becomes of the main table.
        main: Main,
    },
}

/// `gateways`: a next hop of each family, for the default route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gateways {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

/// What the main table keeps of routes that move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Main {
    /// Nothing: packets go by the interface only if they have its address.
    Emptied,
    /// `addSourceHints`: what is on the link, with the address for packets that have none yet.
    Hinted,
}

impl Plan {
    /// Checks the configuration.
    pub fn new(conf: &Conf) -> Result<Self> {
        let gateways = Gateways::new(conf.gateways.as_deref().unwrap_or_default())?;
        let main = if conf.add_source_hints { Main::Hinted } else { Main::Emptied };
        let Some(table) = conf.table else { return Ok(Self::Own { gateways, main }) };
        let number = u32::try_from(table).ok().filter(|table| *table > 0);
        number
            .map(Self::Given)
            .ok_or_else(|| Error::invalid(format!("\"table\" {table}: must be 1 to {}, or not there", u32::MAX)))
    }
}

impl Gateways {
    fn new(texts: &[String]) -> Result<Self> {
        let mut gateways = Self::default();
        for text in texts {
            let ip = parse_ip(text).filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
            let ip =
                ip.ok_or_else(|| Error::invalid(format!("\"gateways\" \"{text}\": must be the address of a host")))?;
            let (family, slot) = if ip.is_ipv4() { ("IPv4", &mut gateways.v4) } else { ("IPv6", &mut gateways.v6) };
            if let Some(other) = slot.replace(ip) {
                return Err(Error::invalid(format!(
                    "\"gateways\": it has the {family} addresses {other} and {ip}: must be one of each family at most"
                )));
            }
        }
        Ok(gateways)
    }

    /// That for packets from `source`.
    pub fn of(self, source: IpAddr) -> Option<IpAddr> {
        if source.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// The addresses to route by: those of the interface in the previous result, each once. `sandbox` is `CNI_NETNS`.
pub fn sources(prev: &Success, ifname: &str, sandbox: &Path) -> Result<Vec<IpConfig>> {
    let mut own: Vec<IpConfig> = Vec::new();
    for ip in told::ips_in(prev, ifname, sandbox) {
        if own.iter().all(|other| other.address.ip() != ip.address.ip()) {
            own.push(ip);
        }
    }
    if own.is_empty() {
        return Err(Error::invalid(format!("route by source addresses of \"{ifname}\": prevResult has none of them")));
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use cni::Code;
    use serde_json::{Value, json};

    use super::*;

    fn plan(document: &Value) -> Result<Plan> {
        Plan::new(&cni::json::decode(document).unwrap())
    }

    #[test]
    fn without_keys_each_address_gets_a_table() {
        let own = Plan::Own { gateways: Gateways::default(), main: Main::Emptied };
        for document in [
            json!({}),
            json!({"table": null, "gateways": null, "addSourceHints": null}),
            json!({"gateways": [], "addSourceHints": false}),
        ] {
            assert_eq!(plan(&document), Ok(own), "{document}");
        }
        let hinted = plan(&json!({"ADDSOURCEHINTS": true}));
        assert_eq!(hinted, Ok(Plan::Own { gateways: Gateways::default(), main: Main::Hinted }));
    }

    #[test]
    fn gateways_are_told_apart_by_family() {
        let Ok(Plan::Own { gateways, .. }) = plan(&json!({"gateways": ["fd00::9", "10.1.0.9"]})) else { panic!() };
        let of = |source: &str| gateways.of(source.parse().unwrap()).unwrap().to_string();
        assert_eq!((of("10.1.0.2"), of("fd00::2")), ("10.1.0.9".into(), "fd00::9".into()));
    }

    #[test]
    fn what_cannot_be_is_refused_with_key_and_value() {
        for (document, words) in [
            (json!({"table": 0}), ["\"table\" 0", "1 to 4294967295"]),
            (json!({"table": -1}), ["\"table\" -1", "1 to 4294967295"]),
            (json!({"table": 4_294_967_296_u64}), ["\"table\" 4294967296", "1 to 4294967295"]),
            (json!({"gateways": ["x"]}), ["\"gateways\" \"x\"", "address of a host"]),
            (json!({"gateways": [""]}), ["\"gateways\" \"\"", "address of a host"]),
            (json!({"gateways": ["0.0.0.0"]}), ["\"gateways\" \"0.0.0.0\"", "address of a host"]),
            (json!({"gateways": ["ff02::2"]}), ["\"gateways\" \"ff02::2\"", "address of a host"]),
            (json!({"gateways": ["10.1.0.1/24"]}), ["\"gateways\" \"10.1.0.1/24\"", "address of a host"]),
            (json!({"gateways": ["10.1.0.1", "10.1.0.9"]}), ["10.1.0.1 and 10.1.0.9", "one of each family"]),
            (json!({"gateways": ["fd00::1", "10.1.0.1", "fd00::9"]}), ["fd00::1 and fd00::9", "one of each family"]),
            // The reference looks at them only where there is no table.
            (json!({"table": 5, "gateways": ["x"]}), ["\"gateways\" \"x\"", "address of a host"]),
        ] {
            let error = plan(&document).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(words.iter().all(|word| error.msg.contains(word)), "{document}: {error}");
        }
    }

    #[test]
    fn addresses_of_other_interfaces_do_not_count() {
        let prev: Success = serde_json::from_value(json!({
            "interfaces": [{"name": "eth0"}, {"name": "eth0", "sandbox": "/n"}, {"name": "net1", "sandbox": "/n"},
                {"name": "eth0", "sandbox": "/other"}],
            "ips": [{"interface": 0, "address": "10.0.0.1/24"}, {"interface": 1, "address": "10.0.0.2/24"},
                {"interface": 1, "address": "10.0.0.2/16"},
                {"interface": 1, "address": "fd00::2/64"}, {"interface": 2, "address": "10.2.0.2/24"},
                {"interface": 3, "address": "10.0.0.3/24"}]}))
        .unwrap();
        let own: Vec<_> =
            sources(&prev, "eth0", Path::new("/n")).unwrap().iter().map(|ip| ip.address.to_string()).collect();
        assert_eq!(own, ["10.0.0.2/24", "fd00::2/64"]);
        let error = sources(&prev, "net2", Path::new("/n")).unwrap_err();
        assert!(error.msg.contains("\"net2\": prevResult has none"), "{error}");
    }
}
