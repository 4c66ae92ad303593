//! What the kernel forgets of a link that leaves its network namespace (`__dev_change_net_namespace`, `net/core/dev.c`): whether it
//! is up, its master, its sysctls, addresses and routes. Whoever moves a link and has to move it back gives it these again.
//!
//! Addresses and routes are kept as the kernel told them, and are told to it again: nothing of them is understood but the link's
//! number, which may be another one when the link is back.

use std::mem;

use netlink_packet_core::{Emitable, NLM_F_APPEND, NLM_F_CREATE};
use netlink_packet_route::{
    AddressFamily,
    address::{AddressFlags, AddressMessage},
    route::{RouteAttribute, RouteMessage},
};

use crate::{
    Inside, Link, LinkChange, LinkIndex, Result, Rtnl,
    address::{IFA_FLAGS, RTM_GETADDR, RTM_NEWADDR},
    answer::{Answer, Attribute},
    route::{RTA_OIF, RTM_GETROUTE, RTM_NEWROUTE, RTN_UNICAST},
    sysctl,
};

/// `include/uapi/linux/rtnetlink.h`
const RTA_MULTIPATH: u16 = 9;
const RTPROT_KERNEL: u8 = 2;
const RTPROT_RA: u8 = 9;
const RTM_F_CLONED: u32 = 0x200;
/// The flags of a next hop that are somebody's wish, `RTNH_F_PERVASIVE` and `RTNH_F_ONLINK`: others tell its state.
const WISHES: u8 = 2 | 4;
/// `NLA_TYPE_MASK` (`include/uapi/linux/netlink.h`)
const TYPE_MASK: u16 = 0x3fff;

/// What a link has only as long as it stays.
#[derive(Debug, Clone)]
pub struct Belongings {
    index: LinkIndex,
    change: LinkChange,
    sysctls: Vec<(String, String)>,
    addresses: Vec<Answer>,
    routes: Vec<Answer>,
}

impl Rtnl {
    /// What `link` would lose; `inside` its network namespace, which is the socket's.
    pub fn belongings(&mut self, inside: &Inside<'_>, link: &Link) -> Result<Belongings> {
        let mut routes = Vec::new();
        // There are none by a link that is down.
        if link.up {
            for family in [AddressFamily::Inet, AddressFamily::Inet6] {
                routes.extend(self.routes_by(family, link)?);
            }
        }
        Ok(Belongings {
            index: link.index,
            change: LinkChange { up: Some(link.up), master: link.master, ..LinkChange::default() },
            sysctls: sysctl::of_link(inside, &link.name),
            addresses: self.addresses_as_told(link)?,
            routes,
        })
    }

    /// Gives `link`, which is back under its name, what it had. All of it is tried; what is there already stays.
    pub fn give_back(&mut self, inside: &Inside<'_>, link: &Link, belongings: &Belongings) -> Vec<Result<()>> {
        let mut steps: Vec<Result<()>> =
            belongings.sysctls.iter().map(|(key, value)| sysctl::ensure(inside, key, value)).collect();
        for address in &belongings.addresses {
            let doing = || format!("give \"{}\" an address back", link.name);
            steps.push(self.tell_again(&with_link(address, link.index), 0, doing));
        }
        steps.push(self.set_link(link, &belongings.change));
        steps.extend(self.give_routes_back(link, belongings));
        steps
    }

    /// A route may need another one, to its gateway, which the kernel told later.
    fn give_routes_back(&mut self, link: &Link, belongings: &Belongings) -> Vec<Result<()>> {
        let renumbered = |route: &Answer| renumbered(route, belongings.index, link.index);
        let mut missing: Vec<Answer> = belongings.routes.iter().map(renumbered).collect();
        loop {
            let tried: Vec<(Answer, Result<()>)> = mem::take(&mut missing)
                .into_iter()
                .map(|route| {
                    let doing = || format!("give \"{}\" a route back", link.name);
                    let told = self.tell_again(&route, NLM_F_APPEND, doing);
                    (route, told)
                })
                .collect();
            let count = tried.len();
            let (failures, errors): (Vec<Answer>, Vec<Result<()>>) =
                tried.into_iter().filter(|(_, told)| told.is_err()).unzip();
            if failures.len() == count {
                return errors;
            }
            missing = failures;
        }
    }

    fn tell_again(&mut self, answer: &Answer, flags: u16, doing: impl FnOnce() -> String) -> Result<()> {
        let told = self.conversation.request(answer.kind, answer, NLM_F_CREATE | flags);
        let told = told.map(drop).map_err(|failure| failure.of(doing()));
        told.or_else(|error| if error.is_exists() { Ok(()) } else { Err(error) })
    }

    fn addresses_as_told(&mut self, link: &Link) -> Result<Vec<Answer>> {
        let mut question = AddressMessage::default();
        question.header.index = link.index.0;
        let answers = self.conversation.dump(RTM_GETADDR, &question);
        let answers = answers.map_err(|failure| failure.of(format!("list addresses of \"{}\"", link.name)))?;
        Ok(answers.into_iter().filter(|answer| is_address_of(answer, link.index)).collect())
    }

    fn routes_by(&mut self, family: AddressFamily, link: &Link) -> Result<Vec<Answer>> {
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        question.attributes = vec![RouteAttribute::Oif(link.index.0)];
        let answers = self.conversation.dump(RTM_GETROUTE, &question);
        let answers = answers.map_err(|failure| failure.of(format!("list routes by \"{}\"", link.name)))?;
        // Kernels before 4.20 do not filter by link.
        Ok(answers.into_iter().filter(|answer| is_kept_route(answer, link.index)).collect())
    }
}

/// IPv6 addresses that change by themselves are not kept: the kernel makes new ones.
fn is_address_of(answer: &Answer, link: LinkIndex) -> bool {
    let Some(([family, _, _, _, index @ ..], attributes)) = answer.read::<8>(RTM_NEWADDR) else { return false };
    let flags = attributes.find(IFA_FLAGS).and_then(Attribute::u32).unwrap_or(0);
    // The same bit says of an IPv4 address that it is not the first of its network.
    let is_temporary = family == u8::from(AddressFamily::Inet6) && flags & AddressFlags::Secondary.bits() != 0;
    LinkIndex(u32::from_ne_bytes(index)) == link && !is_temporary
}

/// Whether a route goes by `link` and is nobody else's to make: not one for an address of the link's, and not a router's
/// advertisement, which comes again.
fn is_kept_route(answer: &Answer, link: LinkIndex) -> bool {
    let Some((header, attributes)) = answer.read::<12>(RTM_NEWROUTE) else { return false };
    let [_, _, _, _, _, protocol, _, kind, flags @ ..] = header;
    let is_link = |index: u32| LinkIndex(index) == link;
    let by_itself = || attributes.find(RTA_OIF).and_then(Attribute::u32).is_some_and(is_link);
    let among_others = || {
        let mut hops = attributes.find(RTA_MULTIPATH).map(|hops| hops.0.to_vec()).unwrap_or_default();
        let mut found = false;
        each_hop(&mut hops, |_, index| found |= is_link(u32::from_ne_bytes(*index)));
        found
    };
    u32::from_ne_bytes(flags) & RTM_F_CLONED == 0
        && protocol != RTPROT_RA
        && (kind == RTN_UNICAST || protocol != RTPROT_KERNEL)
        && (by_itself() || among_others())
}

/// The same address on a link of another number.
fn with_link(address: &Answer, link: LinkIndex) -> Answer {
    let mut changed = address.clone();
    if let Some(index) = changed.payload.get_mut(4..8) {
        index.copy_from_slice(&link.0.to_ne_bytes());
    }
    changed
}

/// The same route by a link that has another number now, without what tells the state of its next hops.
fn renumbered(route: &Answer, before: LinkIndex, now: LinkIndex) -> Answer {
    let mut changed = route.clone();
    let renumber = |index: &mut [u8; 4]| {
        if *index == before.0.to_ne_bytes() {
            *index = now.0.to_ne_bytes();
        }
    };
    // struct rtmsg ends with its flags.
    if let Some((header, attributes)) = changed.payload.split_first_chunk_mut::<12>() {
        let [.., a, b, c, d] = header;
        let flags = u32::from_ne_bytes([*a, *b, *c, *d]) & u32::from(WISHES);
        [*a, *b, *c, *d] = flags.to_ne_bytes();
        each_attribute(attributes, |kind, value| match kind {
            RTA_OIF => value.first_chunk_mut().map_or((), renumber),
            RTA_MULTIPATH => each_hop(value, |flags, index| {
                *flags &= WISHES;
                renumber(index);
            }),
            _ => {}
        });
    }
    changed
}

/// Hands over kind and value of each attribute.
fn each_attribute(bytes: &mut [u8], mut each: impl FnMut(u16, &mut [u8])) {
    let mut rest = bytes;
    while let Some([low, high, kind @ ..]) = rest.first_chunk::<4>().copied() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let Some(value) = rest.get_mut(4..length) else { return };
        each(u16::from_ne_bytes(kind) & TYPE_MASK, value);
        rest = rest.get_mut(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// Hands over flags and link of each `struct rtnexthop`: length (2), flags, weight, link (4), attributes.
fn each_hop(bytes: &mut [u8], mut each: impl FnMut(&mut u8, &mut [u8; 4])) {
    let mut rest = bytes;
    while let Some([low, high, flags, _, index @ ..]) = rest.first_chunk_mut::<8>() {
        let length = usize::from(u16::from_ne_bytes([*low, *high]));
        let Some(index) = index.first_chunk_mut() else { return };
        each(flags, index);
        if length < 8 {
            return;
        }
        rest = rest.get_mut(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

impl Emitable for Answer {
    fn buffer_len(&self) -> usize {
        self.payload.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Route, answer::echo};

    #[test]
    fn addresses_get_the_new_number() {
        let address = Address::new("10.1.0.2/24".parse().unwrap());
        let told = echo(RTM_NEWADDR, &address.message(LinkIndex(7)));
        assert!(is_address_of(&told, LinkIndex(7)) && !is_address_of(&told, LinkIndex(8)));
        assert_eq!(Address::of(&with_link(&told, LinkIndex(8))), Some((LinkIndex(8), address)));
    }

    #[test]
    fn routes_get_the_new_number_where_they_have_the_old_one() {
        let route = Route::new("10.9.0.0/16".parse().unwrap(), Some([10, 1, 0, 1].into()), LinkIndex(7));
        let mut told = echo(RTM_NEWROUTE, &route.message());
        // Linkdown and onlink.
        told.payload[8..12].copy_from_slice(&(16u32 | 4).to_ne_bytes());
        // Two next hops, by 7 and by 9, the first one dead.
        let hops = [8u8, 0, 1, 5, 7, 0, 0, 0, 8, 0, 4, 6, 9, 0, 0, 0];
        told.payload.extend([20, 0, 9, 0]);
        told.payload.extend(hops);
        assert!(is_kept_route(&told, LinkIndex(7)) && is_kept_route(&told, LinkIndex(9)));
        assert!(!is_kept_route(&told, LinkIndex(5)));
        let now = renumbered(&told, LinkIndex(7), LinkIndex(300));
        assert_eq!(Route::of(&now).unwrap().link, LinkIndex(300));
        assert_eq!(now.payload[8..12], 4u32.to_ne_bytes());
        assert!(now.payload.ends_with(&[8, 0, 0, 5, 44, 1, 0, 0, 8, 0, 4, 6, 9, 0, 0, 0]));
    }

    #[test]
    fn routes_that_come_by_themselves_are_not_kept() {
        let route = Route::new("10.9.0.0/16".parse().unwrap(), None, LinkIndex(7));
        let told = |protocol: u8, kind: u8, flags: u32| {
            let mut told = echo(RTM_NEWROUTE, &route.message());
            told.payload[5] = protocol;
            told.payload[7] = kind;
            told.payload[8..12].copy_from_slice(&flags.to_ne_bytes());
            is_kept_route(&told, LinkIndex(7))
        };
        // Unicast of the kernel's is what NetworkManager says of its own, too; it is there already where it is not.
        assert!(told(RTPROT_KERNEL, RTN_UNICAST, 0) && told(3, 2, 0));
        assert!(!told(RTPROT_KERNEL, 2, 0) && !told(RTPROT_RA, RTN_UNICAST, 0) && !told(3, RTN_UNICAST, RTM_F_CLONED));
    }

    #[test]
    fn junk_is_passed_over() {
        for junk in [&[][..], &[9], &[0, 0, 0, 0], &[200, 0, 9, 0], &[3, 0, 4, 0, 1]] {
            each_attribute(&mut junk.to_vec(), |kind, _| panic!("{kind}"));
        }
        let mut count = 0;
        each_hop(&mut [0, 0, 0, 0, 7, 0, 0, 0, 1], |_, _| count += 1);
        each_hop(&mut [200, 0, 0, 0, 7, 0, 0, 0, 1], |_, _| count += 1);
        assert_eq!(count, 2);
    }
}
