//! Links of other network namespaces, as far as they are known here: the kernel gives a namespace a number in another one when
//! a link is moved from there, or has its peer there (`net/core/net_namespace.c`).

use netlink_packet_route::{link::LinkAttribute, nsid::NsidMessage};

use crate::{
    Link, Result, Rtnl,
    answer::{Answer, Attribute},
    link::{RTM_GETLINK, question},
};

/// `include/uapi/linux/rtnetlink.h`
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;
/// `include/uapi/linux/net_namespace.h`
const NETNSA_NSID: u16 = 1;

impl Rtnl {
    /// The links of every network namespace that has a number in this one. They can be looked at, but not changed from here.
    pub fn links_elsewhere(&mut self) -> Result<Vec<Link>> {
        let numbers = self.conversation.dump(RTM_GETNSID, &NsidMessage::default());
        let numbers = numbers.map_err(|failure| failure.of("list network namespaces"))?;
        let mut links = Vec::new();
        for number in numbers.iter().filter_map(number_of) {
            let question = question(Some(LinkAttribute::IfNetnsId(number)));
            // It may have gone meanwhile, or be another user's.
            if let Ok(answers) = self.conversation.dump(RTM_GETLINK, &question) {
                links.extend(answers.iter().filter_map(Link::of));
            }
        }
        Ok(links)
    }
}

fn number_of(answer: &Answer) -> Option<i32> {
    // struct rtgenmsg is one octet, and three for alignment.
    let (_, attributes) = answer.read::<4>(RTM_NEWNSID)?;
    let number = attributes.find(NETNSA_NSID).and_then(Attribute::u32)?;
    // None is -1.
    Some(i32::from_ne_bytes(number.to_ne_bytes())).filter(|number| *number >= 0)
}
