//! What the keys of a result hold, as tables, and the check of a result against them.

use serde_json::{Map, Value};
use std::net::IpAddr;

/// The known keys of an object. What is not listed may hold anything.
pub(super) type Shape = &'static [(&'static str, Kind)];

/// What a key holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A number of 0 or more.
    Count,
    /// A whole number. Whether an interface with that index exists is the conformance suite's question: a runtime that
    /// refused it could not detach what other runtimes attached.
    Index,
    /// An IP address; empty for none.
    Address,
    /// An IP address with a prefix length.
    Cidr,
    /// One object.
    One(Shape),
    /// A list of objects.
    Many(Shape),
}

const DNS: Shape =
    &[("nameservers", Kind::Texts), ("domain", Kind::Text), ("search", Kind::Texts), ("options", Kind::Texts)];

const ROUTE: Shape = &[
    ("dst", Kind::Cidr),
    ("gw", Kind::Address),
    ("mtu", Kind::Count),
    ("advmss", Kind::Count),
    ("priority", Kind::Count),
    ("table", Kind::Count),
    ("scope", Kind::Count),
];

const INTERFACE: Shape = &[
    ("name", Kind::Text),
    ("mac", Kind::Text),
    ("mtu", Kind::Count),
    ("sandbox", Kind::Text),
    ("socketPath", Kind::Text),
    ("pciID", Kind::Text),
];

const IP: Shape =
    &[("version", Kind::Text), ("interface", Kind::Index), ("address", Kind::Cidr), ("gateway", Kind::Address)];

const FAMILY: Shape = &[("ip", Kind::Cidr), ("gateway", Kind::Address), ("routes", Kind::Many(ROUTE))];

/// A result of 0.1.0 and 0.2.0.
pub(super) const BY_FAMILY: Shape = &[("ip4", Kind::One(FAMILY)), ("ip6", Kind::One(FAMILY)), ("dns", Kind::One(DNS))];

/// A result since 0.3.0.
pub(super) const LISTS: Shape = &[
    ("interfaces", Kind::Many(INTERFACE)),
    ("ips", Kind::Many(IP)),
    ("routes", Kind::Many(ROUTE)),
    ("dns", Kind::One(DNS)),
];

/// Refuses an object with a known key of another kind, and writes the known keys as the specification does: keys are matched
/// in any case, and `null` is as good as absent.
pub(super) fn check(object: &mut Map<String, Value>, shape: Shape, place: &str) -> Result<(), String> {
    for (key, kind) in shape {
        fold_case(object, key);
        let Some(value) = object.get_mut(*key) else { continue };
        if value.is_null() {
            object.shift_remove(*key);
        } else {
            check_value(value, *kind, &format!("{place}{key}"))?;
        }
    }
    for (key, kind) in shape {
        if matches!(kind, Kind::Cidr) && !object.contains_key(*key) {
            return Err(format!("{place}{key} is missing"));
        }
    }
    Ok(())
}

/// Renames a key that differs from `key` only in case, unless `key` is there as well.
pub(super) fn fold_case(object: &mut Map<String, Value>, key: &str) {
    if object.contains_key(key) {
        return;
    }
    let other = object.keys().find(|candidate| candidate.eq_ignore_ascii_case(key)).cloned();
    if let Some(value) = other.and_then(|other| object.shift_remove(&other)) {
        object.insert(key.to_owned(), value);
    }
}

fn check_value(value: &mut Value, kind: Kind, place: &str) -> Result<(), String> {
    let (fits, allowed) = match (kind, &mut *value) {
        (Kind::One(shape), Value::Object(object)) => return check(object, shape, &format!("{place}.")),
        (Kind::Many(shape), Value::Array(items)) => return check_items(items, shape, place),
        (Kind::Text, value) => (value.is_string(), "a string"),
        (Kind::Texts, Value::Array(items)) => (items.iter().all(Value::is_string), "a list of strings"),
        (Kind::Count, value) => (value.is_u64(), "a number of 0 or more"),
        (Kind::Index, value) => (value.is_i64(), "a number"),
        (Kind::Address, value) => (value.as_str().is_some_and(is_address), "an IP address"),
        (Kind::Cidr, value) => (value.as_str().and_then(parse_cidr).is_some(), "an IP address with prefix length"),
        (Kind::Texts, _) => (false, "a list of strings"),
        (Kind::One(_), _) => (false, "an object"),
        (Kind::Many(_), _) => (false, "a list of objects"),
    };
    if fits { Ok(()) } else { Err(format!("{place} is {value}, allowed is {allowed}")) }
}

fn check_items(items: &mut [Value], shape: Shape, place: &str) -> Result<(), String> {
    for (nth, item) in items.iter_mut().enumerate() {
        let place = format!("{place}[{nth}]");
        match item {
            Value::Object(object) => check(object, shape, &format!("{place}."))?,
            other => return Err(format!("{place} is {other}, allowed is an object")),
        }
    }
    Ok(())
}

fn is_address(text: &str) -> bool {
    text.is_empty() || text.parse::<IpAddr>().is_ok()
}

/// The address of `10.0.0.1/24`. One of IPv4 that is written as IPv6 counts as IPv4.
pub(super) fn parse_cidr(text: &str) -> Option<IpAddr> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let fits = digits && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= bits);
    fits.then(|| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidr_is_address_and_prefix_length() {
        for good in ["10.0.0.1/24", "0.0.0.0/0", "fd00::1/128", "::/0"] {
            assert!(parse_cidr(good).is_some(), "{good}");
        }
        for bad in ["10.0.0.1", "10.0.0.1/33", "10.0.0.01/24", "fd00::/129", "10.0.0.1/", "10.0.0.1/+8", "/8", ""] {
            assert!(parse_cidr(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn mapped_address_counts_as_ipv4() {
        assert!(parse_cidr("::ffff:10.0.0.1/120").unwrap().is_ipv4());
    }
}
