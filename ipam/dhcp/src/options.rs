//! The options of DHCPv4 that configurations name (RFC 2132).

use cni::{Error, Result};
use dhcproto::v4::OptionCode;

/// The names that the reference knows.
const NAMES: [(&str, OptionCode); 6] = [
    ("dhcp-client-identifier", OptionCode::ClientIdentifier),
    ("subnet-mask", OptionCode::SubnetMask),
    ("routers", OptionCode::Router),
    ("host-name", OptionCode::Hostname),
    ("user-class", OptionCode::UserClass),
    ("vendor-class-identifier", OptionCode::ClassIdentifier),
];

/// What is asked for unless the configuration says `skipDefault`: all that a result has a place for. Classless routes go before
/// routers (RFC 3442).
pub const REQUESTED: [OptionCode; 8] = [
    OptionCode::SubnetMask,
    OptionCode::ClasslessStaticRoute,
    OptionCode::Router,
    OptionCode::StaticRoutingTable,
    OptionCode::DomainNameServer,
    OptionCode::DomainName,
    OptionCode::DomainSearch,
    OptionCode::InterfaceMtu,
];

/// What the client itself says, and nobody else may: padding, the address that it asks for, where further options are, what kind
/// of message it is, which server it answers, and what it asks for.
const OWN: [u8; 7] = [0, 50, 52, 53, 54, 55, 255];

/// The number of the option that `text`, the value of `key`, names.
pub fn parse(key: &str, text: &str) -> Result<u8> {
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Ok((*code).into());
    }
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())).ok_or_else(|| {
        let names = NAMES.map(|(name, _)| name).join(", ");
        Error::invalid(format!("\"{key}\": \"{text}\" is no option: a number from 1 to 254 is one, or one of {names}"))
            .details(format!("Can not parse option \"{text}\""))
    })
}

/// The number of an option that may be sent or asked for.
pub fn free(key: &str, text: &str) -> Result<u8> {
    let code = parse(key, text)?;
    if OWN.contains(&code) {
        return Err(Error::invalid(format!("\"{key}\": option {code} is for the client itself to send")));
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_options() {
        for (text, code) in [
            ("dhcp-client-identifier", 61),
            ("subnet-mask", 1),
            ("routers", 3),
            ("host-name", 12),
            ("user-class", 77),
            ("vendor-class-identifier", 60),
            ("1", 1),
            ("254", 254),
        ] {
            assert_eq!(free("k", text), Ok(code), "{text}");
        }
        for text in ["", "256", "-1", "+5", "Routers", "0x3", "0", "53", "255"] {
            let error = free("ipam.request[0].option", text).unwrap_err();
            assert!(error.msg.starts_with("\"ipam.request[0].option\": "), "{error}");
        }
    }
}
