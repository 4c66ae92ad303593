//! `conditionsV4` and `conditionsV6`: what a packet has to meet for a port to be published to it.
//!
//! The forms that people use are matches on source, destination and interfaces. They become our own expressions. Whatever
//! else `nft` understands is handed to it.

use std::{net::IpAddr, str::FromStr};

use cni::{Code, Error, Result, parse_cidr, parse_ip};
use ipnetwork::IpNetwork;
use nft::{
    Ifname,
    expr::{Expr, Field, ip, ip6, meta},
};

/// More alternatives than this are left to `nft`, which makes a set of them.
const MAX_ALTERNATIVES: usize = 64;

/// Conditions on packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditions {
    /// Every packet.
    None,
    /// Packets that meet all expressions of one of these lists.
    Native(Vec<Vec<Expr>>),
    /// Packets that meet what is written in the words of `nft`.
    Words(String),
}

impl Conditions {
    /// Reads the words of `key`. Words may be given one by one or several in a string.
    pub fn new(key: &str, words: &[String]) -> Result<Self> {
        let text = words.join(" ");
        if text.trim().is_empty() {
            return Ok(Self::None);
        }
        check_is_a_match(key, &text)?;
        let alternatives = parse(&text).filter(|alternatives| alternatives.len() <= MAX_ALTERNATIVES);
        Ok(alternatives.map_or(Self::Words(text), Self::Native))
    }
}

/// The words go into a rule: they must not end it and begin something else.
fn check_is_a_match(key: &str, text: &str) -> Result<()> {
    match text.find([';', '\n', '\r', '#', '\0']) {
        None => Ok(()),
        Some(place) => {
            let odd = text.get(place..).and_then(|rest| rest.chars().next()).unwrap_or_default();
            Err(Error::new(
                Code::InvalidConfig,
                format!("\"{key}\" \"{}\": {odd:?} is not allowed in a condition", text.escape_debug()),
            ))
        }
    }
}

/// The lists of expressions that `text` stands for; `None` if it says something else than the forms that are ours.
fn parse(text: &str) -> Option<Vec<Vec<Expr>>> {
    let spaced = text.replace('{', " { ").replace('}', " } ").replace(',', " , ");
    let mut tokens = spaced.split_whitespace().peekable();
    let mut alternatives: Vec<Vec<Expr>> = vec![Vec::new()];
    while tokens.peek().is_some() {
        let selector = Selector::parse(&mut tokens)?;
        let negated = match tokens.peek().copied() {
            Some("!=") => tokens.next().map(|_| true)?,
            Some("==") => tokens.next().map(|_| false)?,
            _ => false,
        };
        let values = values(&mut tokens)?;
        let exprs = values.iter().map(|value| selector.matching(value, negated)).collect::<Option<Vec<_>>>()?;
        if negated {
            // None of them: all must hold.
            for list in &mut alternatives {
                list.extend(exprs.iter().cloned());
            }
        } else {
            // One of them: each is an alternative.
            let with =
                |list: &Vec<Expr>| exprs.iter().map(|expr| [list.clone(), vec![expr.clone()]].concat()).collect();
            alternatives = alternatives.iter().flat_map(|list| -> Vec<Vec<Expr>> { with(list) }).collect();
        }
        if alternatives.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(alternatives)
}

/// One value, or those of a set in braces.
fn values<'a>(tokens: &mut impl Iterator<Item = &'a str>) -> Option<Vec<&'a str>> {
    let first = tokens.next()?;
    if first != "{" {
        return Some(vec![first]);
    }
    let mut values = Vec::new();
    loop {
        match tokens.next()? {
            "}" => return (!values.is_empty()).then_some(values),
            "," => {}
            value => values.push(value),
        }
    }
}

#[derive(Clone, Copy)]
enum Selector {
    Saddr,
    Daddr,
    Saddr6,
    Daddr6,
    Iifname,
    Oifname,
}

impl Selector {
    fn parse<'a>(tokens: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        match tokens.next()? {
            "iifname" => Some(Self::Iifname),
            "oifname" => Some(Self::Oifname),
            family @ ("ip" | "ip6") => match (family, tokens.next()?) {
                ("ip", "saddr") => Some(Self::Saddr),
                ("ip", "daddr") => Some(Self::Daddr),
                ("ip6", "saddr") => Some(Self::Saddr6),
                ("ip6", "daddr") => Some(Self::Daddr6),
                _ => None,
            },
            _ => None,
        }
    }

    fn matching(self, value: &str, negated: bool) -> Option<Expr> {
        match self {
            Self::Saddr => address(ip::saddr(), value, negated),
            Self::Daddr => address(ip::daddr(), value, negated),
            Self::Saddr6 => address(ip6::saddr(), value, negated),
            Self::Daddr6 => address(ip6::daddr(), value, negated),
            Self::Iifname => interface(meta::iifname(), value, negated),
            Self::Oifname => interface(meta::oifname(), value, negated),
        }
    }
}

/// The addresses of a family, for values that are written as text.
trait Family: Sized + FromStr {
    fn of(ip: IpAddr) -> Option<Self>;
}

impl Family for std::net::Ipv4Addr {
    fn of(ip: IpAddr) -> Option<Self> {
        if let IpAddr::V4(ip) = ip { Some(ip) } else { None }
    }
}

impl Family for std::net::Ipv6Addr {
    fn of(ip: IpAddr) -> Option<Self> {
        if let IpAddr::V6(ip) = ip { Some(ip) } else { None }
    }
}

/// An address, a prefix, or a range `first-last`.
fn address<T: Family + AddressMatch>(field: Field<T>, value: &str, negated: bool) -> Option<Expr> {
    if let Some((first, last)) = value.split_once('-') {
        let (first, last) = (parse_ip(first)?, parse_ip(last)?);
        // Which nft refuses.
        if first > last {
            return None;
        }
        return Some(T::between(field, T::of(first)?, T::of(last)?, negated));
    }
    let network = if value.contains('/') { parse_cidr(value)? } else { IpNetwork::from(parse_ip(value)?) };
    Some(T::within(field, T::of(network.network())?, network.prefix(), negated))
}

/// The matches on an address that both families have.
trait AddressMatch: Sized {
    fn within(field: Field<Self>, network: Self, prefix: u8, negated: bool) -> Expr;
    fn between(field: Field<Self>, first: Self, last: Self, negated: bool) -> Expr;
}

macro_rules! address_match {
    ($address:ty) => {
        impl AddressMatch for $address {
            fn within(field: Field<Self>, network: Self, prefix: u8, negated: bool) -> Expr {
                if negated { field.not_within(network, prefix) } else { field.within(network, prefix) }
            }
            fn between(field: Field<Self>, first: Self, last: Self, negated: bool) -> Expr {
                if negated { field.not_between(first, last) } else { field.between(first, last) }
            }
        }
    };
}

address_match!(std::net::Ipv4Addr);
address_match!(std::net::Ipv6Addr);

/// A name, in quotes or not; a `*` at its end stands for any rest.
fn interface(field: Field<Ifname>, value: &str, negated: bool) -> Option<Expr> {
    let name = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
    if let Some(prefix) = name.strip_suffix('*') {
        let prefix = Ifname::new(prefix).ok()?;
        return Some(if negated { field.starts_not_with(&prefix) } else { field.starts_with(&prefix) });
    }
    let name = Ifname::new(name).ok()?;
    Some(if negated { field.is_not(name) } else { field.is(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Conditions {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Conditions::new("conditionsV4", &words).unwrap()
    }

    fn native(words: &[&str]) -> Vec<Vec<Expr>> {
        match read(words) {
            Conditions::Native(alternatives) => alternatives,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn v4(text: &str) -> std::net::Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn no_words_are_no_conditions() {
        assert_eq!(read(&[]), Conditions::None);
        assert_eq!(read(&["", " "]), Conditions::None);
    }

    #[test]
    fn usual_forms_are_native() {
        assert_eq!(native(&["ip", "saddr", "10.0.0.0/8"]), [[ip::saddr().within(v4("10.0.0.0"), 8)]]);
        assert_eq!(native(&["ip daddr != 10.0.0.1"]), [[ip::daddr().not_within(v4("10.0.0.1"), 32)]]);
        assert_eq!(
            native(&["ip", "saddr", "10.0.0.1-10.0.0.9"]),
            [[ip::saddr().between(v4("10.0.0.1"), v4("10.0.0.9"))]]
        );
        let eth0 = || Ifname::new("eth0").unwrap();
        assert_eq!(native(&["iifname \"eth0\""]), [[meta::iifname().is(eth0())]]);
        assert_eq!(
            native(&["oifname", "!=", "eth*"]),
            [[meta::oifname().starts_not_with(&Ifname::new("eth").unwrap())]]
        );
        let both = native(&["ip saddr 10.0.0.0/8 iifname eth0"]);
        assert_eq!(both, [[ip::saddr().within(v4("10.0.0.0"), 8), meta::iifname().is(eth0())]]);
    }

    #[test]
    fn sets_are_alternatives_and_negated_sets_are_not() {
        let one_of = native(&["ip saddr {10.0.0.1,10.0.0.2} iifname { a, b }"]);
        assert_eq!(one_of.len(), 4);
        assert!(one_of.iter().all(|list| list.len() == 2));
        let none_of = native(&["ip", "saddr", "!=", "{", "10.0.0.1,", "10.0.0.2", "}"]);
        assert_eq!(none_of.len(), 1);
        assert_eq!(none_of[0].len(), 2);
    }

    #[test]
    fn other_words_are_left_to_nft() {
        for words in [
            "tcp sport 1024-65535",
            "meta mark 5",
            "ip saddr @trusted",
            "ip6 saddr 10.0.0.1",
            "ip saddr 10.0.0.1/99",
            "ip saddr != 10.0.0.9-10.0.0.1",
            "iifname a-name-that-is-too-long",
            "ip saddr {",
            "ip saddr { }",
            "ip saddr",
        ] {
            assert_eq!(read(&[words]), Conditions::Words(words.into()));
        }
        let many: Vec<String> = (0..100).map(|last| format!("10.0.0.{last}")).collect();
        assert!(matches!(read(&[&format!("ip saddr {{ {} }}", many.join(", "))]), Conditions::Words(_)));
    }

    #[test]
    fn words_must_not_end_the_rule() {
        for odd in ["ip saddr 10.0.0.1; flush ruleset", "ip saddr 10.0.0.1\nflush ruleset", "# x"] {
            let refused = Conditions::new("conditionsV4", &[odd.to_owned()]).unwrap_err();
            assert!(refused.msg.starts_with("\"conditionsV4\""), "{}", refused.msg);
        }
    }
}
