//! Addresses as the specification writes them: Go's `net.ParseIP` and `net.ParseCIDR`.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// An address; a v4-mapped IPv6 address is the IPv4 address that it maps. Leading zeros are refused.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// An address with its prefix length, which must be written; host bits are kept.
pub fn parse_cidr(text: &str) -> Option<IpNetwork> {
    let (address, prefix) = text.split_once('/')?;
    if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let prefix: u8 = prefix.parse().ok()?;
    let written = address.parse::<IpAddr>().ok()?;
    let canonical = written.to_canonical();
    // ::ffff:10.0.0.1/120 is 10.0.0.1/24.
    let prefix = if written.is_ipv6() && canonical.is_ipv4() { prefix.checked_sub(96)? } else { prefix };
    IpNetwork::new(canonical, prefix).ok()
}

/// Serde for an optional address written as text; the empty text is no address.
pub(crate) mod ip {
    use std::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(ip: &Option<IpAddr>, to: S) -> Result<S::Ok, S::Error> {
        match ip {
            Some(ip) => to.collect_str(ip),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IpAddr>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        super::parse_ip(&text).map(Some).ok_or_else(|| D::Error::custom(format!("\"{text}\" is not an IP address")))
    }
}

/// Serde for an address with a prefix length.
pub(crate) mod cidr {
    use ipnetwork::IpNetwork;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(cidr: &IpNetwork, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(cidr)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<IpNetwork, D::Error> {
        let text = String::deserialize(from)?;
        super::parse_cidr(&text)
            .ok_or_else(|| D::Error::custom(format!("\"{text}\" is not an address with a prefix length (CIDR)")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        assert_eq!(parse_ip("::ffff:10.0.0.1"), parse_ip("10.0.0.1"));
        for junk in ["", "10.0.0.01", "10.0.0", "10.0.0.1/24", "fd00::1%eth0"] {
            assert_eq!(parse_ip(junk), None, "{junk}");
        }
    }

    #[test]
    fn cidrs_keep_host_bits_and_need_a_prefix() {
        assert_eq!(parse_cidr("10.0.0.5/24").unwrap().to_string(), "10.0.0.5/24");
        assert_eq!(parse_cidr("::ffff:10.0.0.5/120").unwrap().to_string(), "10.0.0.5/24");
        for junk in ["10.0.0.5", "10.0.0.5/", "10.0.0.5/33", "fd00::/129", "10.0.0.5/+4", "10.0.0.5/255.0.0.0"] {
            assert_eq!(parse_cidr(junk), None, "{junk}");
        }
    }
}
