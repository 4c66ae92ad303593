//! Alternative names of links (`ip link property add altname`): longer than names, several for each, all of them unique.

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, Prop};

use crate::{Errno, Link, LinkIndex, Result, Rtnl, answer::Attributes, link::question};

/// `include/uapi/linux/rtnetlink.h`
const RTM_NEWLINKPROP: u16 = 108;
const RTM_DELLINKPROP: u16 = 109;
/// `include/uapi/linux/if_link.h`
pub(crate) const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;

/// What `IFLA_PROP_LIST` tells.
pub(crate) fn of(properties: Attributes<'_>) -> Vec<String> {
    properties.iter().filter(|(kind, _)| *kind == IFLA_ALT_IFNAME).map(|(_, name)| name.text()).collect()
}

fn message(link: LinkIndex, name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link.0;
    message.attributes = vec![LinkAttribute::PropList(vec![Prop::AltIfName(name.to_owned())])];
    message
}

/// Verbs.
impl Rtnl {
    /// The link that has this alternative name, if there is one.
    pub fn link_by_altname(&mut self, name: &str) -> Result<Option<Link>> {
        let text = name.bytes().chain([0]).collect();
        let attribute = LinkAttribute::Other(DefaultNla::new(IFLA_ALT_IFNAME, text));
        match self.get_link(question(Some(attribute)), || format!("get link by its alternative name \"{name}\"")) {
            // Kernels before 5.5 have no such names, and take the question for one without any.
            Err(error) if error.errno == Errno::EINVAL => Ok(None),
            found => found,
        }
    }

    /// Gives a link another name besides; fails if some link has it. Kernels before 5.5 do not support it (`EOPNOTSUPP`).
    pub fn add_altname(&mut self, link: &Link, name: &str) -> Result<()> {
        self.create(RTM_NEWLINKPROP, &message(link.index, name), || {
            format!("add alternative name \"{name}\" to link \"{}\"", link.name)
        })
    }

    /// Takes an alternative name away; one that has gone is taken away.
    pub fn del_altname(&mut self, link: &Link, name: &str) -> Result<()> {
        let deleted = self.act(RTM_DELLINKPROP, &message(link.index, name), || {
            format!("delete alternative name \"{name}\" of link \"{}\"", link.name)
        });
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answer::echo, link::RTM_NEWLINK};

    #[test]
    fn alternative_names_read_back() {
        let link = Link::of(&echo(RTM_NEWLINK, &message(LinkIndex(7), "a-name-of-more-than-fifteen"))).unwrap();
        assert_eq!((link.index, link.altnames), (LinkIndex(7), vec!["a-name-of-more-than-fifteen".to_owned()]));
    }
}
