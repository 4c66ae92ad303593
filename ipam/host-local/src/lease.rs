//! What a lease file says, and what all lease files of a network say together.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use cni::{Attachment, Result, check_container_id};

use crate::{block::Block, range::RangeSet};

/// Between the container's ID and the interface's name, since plugins on Windows share the format.
const SEPARATOR: &str = "\r\n";

/// What finds the leases of nobody, in place of a container's ID. No container has this one.
pub const NOBODY: &str = "";

/// Whose an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// An attachment's.
    Attachment(Attachment),
    /// A container's, whatever the interface: plugins before 0.8 did not write its name.
    Container(String),
    /// Nobody's: a crash came between making the file and writing it (plugins that do not make it whole).
    Nobody,
    /// Of somebody whose writing we do not understand. It is taken, and not ours to free.
    Stranger,
    /// Somebody's, but the file could not be read this time. The same, until it can be.
    Unread,
}

/// The content of a lease file.
pub fn content(attachment: &Attachment) -> String {
    format!("{}{SEPARATOR}{}", attachment.container_id.trim(), attachment.ifname)
}

impl Owner {
    /// Whose a file with this content is.
    pub fn parse(content: &[u8]) -> Self {
        // A file system may lose the data of a file on power failure and keep its length: it then reads as zeros.
        if content.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
            return Self::Nobody;
        }
        let Ok(text) = std::str::from_utf8(content) else { return Self::Stranger };
        let text = text.trim();
        let (id, ifname) = text.split_once(SEPARATOR).map_or((text, None), |(id, ifname)| (id, Some(ifname)));
        match (check_container_id(id), ifname) {
            (Ok(()), Some(ifname)) => {
                Self::Attachment(Attachment { container_id: id.to_owned(), ifname: ifname.to_owned() })
            }
            (Ok(()), None) => Self::Container(id.to_owned()),
            (Err(_), _) => Self::Stranger,
        }
    }

    /// The container's ID, or what stands for it; none of a stranger's.
    pub fn container_id(&self) -> Option<&str> {
        match self {
            Self::Attachment(Attachment { container_id, .. }) | Self::Container(container_id) => {
                Some(container_id.trim())
            }
            Self::Nobody => Some(NOBODY),
            Self::Stranger | Self::Unread => None,
        }
    }

    /// Whether a garbage collection that leaves `keep` leaves this.
    pub fn stays(&self, keep: &BTreeSet<Attachment>) -> bool {
        match self {
            Self::Attachment(attachment) => keep.contains(attachment),
            Self::Container(id) => keep.iter().any(|attachment| attachment.container_id == *id),
            Self::Nobody => false,
            Self::Stranger | Self::Unread => true,
        }
    }
}

/// What is asked about the leases of a network.
pub trait Lookup {
    /// The leases of a container, or of [`NOBODY`].
    fn held_by(&self, container_id: &str) -> Result<Leases>;

    /// Whose `ip` is, if there is a file for it.
    fn owner(&self, ip: IpAddr) -> Option<Owner>;

    /// The first address of `block` that is not taken.
    fn first_free(&self, block: Block) -> Result<Option<IpAddr>>;

    /// How many addresses of `ranges` are taken.
    fn in_use(&self, ranges: &RangeSet) -> Result<usize>;

    /// Whether `ip` cannot be handed out.
    fn is_taken(&self, ip: IpAddr) -> bool {
        self.owner(ip).is_some_and(|owner| owner != Owner::Nobody)
    }
}

/// Leases, in memory.
#[derive(Debug, Clone, Default)]
pub struct Leases(BTreeMap<IpAddr, Owner>);

impl Leases {
    /// All leases with their owners, nobody's included.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &Owner)> {
        self.0.iter().map(|(ip, owner)| (*ip, owner))
    }

    /// The addresses of exactly this attachment.
    pub fn of(&self, attachment: &Attachment) -> Vec<IpAddr> {
        let id = attachment.container_id.trim();
        let is_its = |owner: &Owner| matches!(owner, Owner::Attachment(own) if own.container_id == id && own.ifname == attachment.ifname);
        self.0.iter().filter(|(_, owner)| is_its(owner)).map(|(ip, _)| *ip).collect()
    }

    /// The addresses of its container that do not say which interface they belong to.
    pub fn of_container(&self, attachment: &Attachment) -> Vec<IpAddr> {
        let id = attachment.container_id.trim();
        let is_its = |owner: &Owner| matches!(owner, Owner::Container(own) if own == id);
        self.0.iter().filter(|(_, owner)| is_its(owner)).map(|(ip, _)| *ip).collect()
    }
}

impl FromIterator<(IpAddr, Owner)> for Leases {
    fn from_iter<I: IntoIterator<Item = (IpAddr, Owner)>>(leases: I) -> Self {
        Self(leases.into_iter().collect())
    }
}

/// The leases themselves answer as an index has to: what tests of it compare with, and what those of the choice ask.
#[cfg(test)]
impl Lookup for Leases {
    fn held_by(&self, container_id: &str) -> Result<Leases> {
        let is_its = |(_, owner): &(IpAddr, &Owner)| owner.container_id() == Some(container_id);
        Ok(self.iter().filter(is_its).map(|(ip, owner)| (ip, owner.clone())).collect())
    }

    fn owner(&self, ip: IpAddr) -> Option<Owner> {
        self.0.get(&ip).cloned()
    }

    fn first_free(&self, block: Block) -> Result<Option<IpAddr>> {
        let up = std::iter::successors(Some(block.first), |ip| crate::block::next(*ip));
        Ok(up.take_while(|ip| *ip <= block.last).find(|ip| !self.is_taken(*ip)))
    }

    fn in_use(&self, ranges: &RangeSet) -> Result<usize> {
        Ok(self.iter().filter(|(ip, owner)| **owner != Owner::Nobody && ranges.contains(*ip)).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(id: &str, ifname: &str) -> Attachment {
        Attachment { container_id: id.into(), ifname: ifname.into() }
    }

    #[test]
    fn content_is_the_references_to_the_byte() {
        assert_eq!(content(&attachment("c1", "eth0")), "c1\r\neth0");
        assert_eq!(content(&attachment("   dummy\n ", "eth0")), "dummy\r\neth0");
    }

    #[test]
    fn white_space_around_the_content_is_ignored() {
        let expected = Owner::Attachment(attachment("c1", "eth0"));
        for text in ["c1\r\neth0", "  c1\r\neth0\n", "\tc1\r\neth0\r\n"] {
            assert_eq!(Owner::parse(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(Owner::parse(b" c1\n"), Owner::Container("c1".into()));
    }

    #[test]
    fn what_a_crash_leaves_is_nobodys() {
        for content in [&b""[..], b"\0\0\0\0", b" \r\n"] {
            assert_eq!(Owner::parse(content), Owner::Nobody, "{content:?}");
        }
    }

    #[test]
    fn junk_is_a_strangers() {
        for content in [&b"reserved by hand"[..], b"\xff\xfe", b"c1\neth0", b"a b\r\neth0", b"\0c1"] {
            assert_eq!(Owner::parse(content), Owner::Stranger, "{content:?}");
        }
    }

    #[test]
    fn garbage_is_what_nobody_keeps() {
        let keep = BTreeSet::from([attachment("c1", "eth0")]);
        for (owner, stays) in [
            (Owner::Attachment(attachment("c1", "eth0")), true),
            (Owner::Attachment(attachment("c1", "eth1")), false),
            (Owner::Attachment(attachment("c2", "eth0")), false),
            (Owner::Container("c1".into()), true),
            (Owner::Container("c2".into()), false),
            (Owner::Nobody, false),
            (Owner::Stranger, true),
        ] {
            assert_eq!(owner.stays(&keep), stays, "{owner:?}");
        }
    }

    #[test]
    fn leases_are_found_by_their_owner() {
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let leases: Leases = [
            (ip(2), Owner::Attachment(attachment("c1", "eth0"))),
            (ip(3), Owner::Attachment(attachment("c1", "eth1"))),
            (ip(4), Owner::Container("c1".into())),
            (ip(5), Owner::Nobody),
            (ip(6), Owner::Stranger),
        ]
        .into_iter()
        .collect();
        assert_eq!(leases.of(&attachment("c1", "eth0")), [ip(2)]);
        assert_eq!(leases.of_container(&attachment("c1", "eth0")), [ip(4)]);
        assert!(leases.of(&attachment("c2", "eth0")).is_empty());
        assert!(leases.is_taken(ip(6)));
        assert!(!leases.is_taken(ip(5)));
        assert!(!leases.is_taken(ip(7)));
    }
}
