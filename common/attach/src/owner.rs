//! Whose something is: the tag on everything that outlives a container, and the names that follow from it.

use std::{collections::BTreeSet, fmt::Write as _};

use cni::Attachment;
use nft::Key;
use sha2::{Digest, Sha512};

/// The longest tag, which is the longest comment that `nft` writes (`NFTNL_UDATA_COMMENT_MAXLEN`, libnftnl/udata.h).
const TAG_MAX: usize = 128;
/// Two hashes of 16 digits and the dash between them.
const PREFIX_LEN: usize = 33;
/// How many names a host link may have, should the first ones be taken.
const LINK_NAMES: usize = 4;

/// The owner of state: an attachment of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    network: String,
    attachment: Attachment,
    network_hash: String,
    attachment_hash: String,
}

impl Owner {
    /// The attachment as it is known in `network`.
    pub fn new(network: &str, attachment: &Attachment) -> Self {
        Self {
            network: network.to_owned(),
            attachment: attachment.clone(),
            network_hash: hash(network),
            attachment_hash: hash(&format!("{}:{}", attachment.ifname, attachment.container_id)),
        }
    }

    /// The attachment.
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// What tells owners apart: the hashes of network and attachment, at the beginning of the tag.
    ///
    /// The hashes are those of the reference's masquerade rules, so that either plugin knows the other's.
    pub fn prefix(&self) -> String {
        format!("{}-{}", &self.network_hash[..16], &self.attachment_hash[..16])
    }

    /// The prefix as a key of four marks, 32 hexadecimal digits: by it what an owner has is found at once.
    pub fn key(&self) -> Key {
        let digits = self.prefix().replace('-', "");
        let marks = digits.as_bytes().chunks(8).filter_map(|digits| std::str::from_utf8(digits).ok());
        marks.filter_map(|digits| u32::from_str_radix(digits, 16).ok()).fold(Key::new(), Key::mark)
    }

    /// The tag: `<network>-<attachment>, net: N, if: I, id: C`. Behind the prefix it is for people, and may be cut.
    pub fn tag(&self) -> String {
        let Self { network, attachment: Attachment { container_id, ifname }, .. } = self;
        let mut tag = format!("{}, net: {network}, if: {ifname}, id: {container_id}", self.prefix());
        tag.retain(|c| c != '"');
        tag.truncate(tag.floor_char_boundary(TAG_MAX));
        tag
    }

    /// Whether `tag` says that something is ours.
    pub fn owns(&self, tag: &str) -> bool {
        tag_prefix(tag).is_some_and(|prefix| prefix == self.prefix())
    }

    /// Whether `tag` is that of another interface of the same container on the same network.
    pub fn is_sibling(&self, tag: &str) -> bool {
        tag.starts_with(&self.network_hash[..16]) && self.is_of_container(tag)
    }

    /// Whether `tag` is that of another attachment of the same container, on whatever network.
    pub fn is_of_container(&self, tag: &str) -> bool {
        let attachment_of = |tag: &str| tag_prefix(tag).and_then(|prefix| prefix.split('-').nth(1)).map(str::to_owned);
        // The container's ID may be cut, or contain what stands before it: the hash decides.
        let ifnames =
            tag.split(", if: ").skip(1).filter_map(|rest| rest.split_once(", id: ")).map(|(ifname, _)| ifname);
        let of_container = |ifname: &str| {
            let attachment = Attachment { ifname: ifname.to_owned(), ..self.attachment.clone() };
            attachment_of(tag) == attachment_of(&Self::new(&self.network, &attachment).prefix())
        };
        !self.owns(tag) && ifnames.into_iter().any(of_container)
    }

    /// The names that the host's end of a veth pair may have, the preferred one first.
    ///
    /// `veth`, by which monitoring tools filter, 4 digits of the network and 7 of the attachment: 15 characters, as many
    /// as the kernel allows. The next name takes the next 7 digits.
    pub fn link_names(&self) -> impl Iterator<Item = String> + '_ {
        let digits = self.attachment_hash.as_bytes().chunks_exact(7);
        digits
            .take(LINK_NAMES)
            .map(|digits| format!("{}{}", link_stem(&self.network_hash), String::from_utf8_lossy(digits)))
    }
}

/// The attachments of a network that are not valid any more: what is theirs goes.
#[derive(Debug, Clone)]
pub struct Garbage {
    network_hash: String,
    kept: BTreeSet<String>,
}

impl Garbage {
    /// All attachments of `network` but those in `keep`.
    pub fn of(network: &str, keep: &BTreeSet<Attachment>) -> Self {
        let kept = keep.iter().map(|attachment| Owner::new(network, attachment).prefix()).collect();
        Self { network_hash: network_hash(network), kept }
    }

    /// Whether `tag` says that something is one of theirs.
    pub fn owns(&self, tag: &str) -> bool {
        tag_prefix(tag).is_some_and(|prefix| prefix.starts_with(&self.network_hash) && !self.kept.contains(prefix))
    }
}

/// The hash of a network's name, at the beginning of the tags of everything that it has.
pub fn network_hash(network: &str) -> String {
    let mut hash = hash(network);
    hash.truncate(16);
    hash
}

/// The name that the reference plugins derive from a container on a network: `stem` and as many digits of the hash of both as make
/// `length` characters. All interfaces of the container share it.
pub fn reference_name(stem: &str, network: &str, container_id: &str, length: usize) -> String {
    let mut name = format!("{stem}{}", hash(&format!("{network}{container_id}")));
    name.truncate(length);
    name
}

/// How the names of all host links of a network begin, given its hash.
pub(crate) fn link_stem(network_hash: &str) -> String {
    format!("veth{}", &network_hash[..4])
}

/// The part of a tag that tells owners apart; `None` if it is nobody's tag.
pub fn tag_prefix(tag: &str) -> Option<&str> {
    let prefix = tag.get(..PREFIX_LEN)?;
    let (network, attachment) = prefix.split_once('-')?;
    let hexadecimal = |text: &str| text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (hexadecimal(network) && hexadecimal(attachment)).then_some(prefix)
}

/// SHA-512 as 128 hexadecimal digits.
pub(crate) fn hash(text: &str) -> String {
    Sha512::digest(text.as_bytes()).iter().fold(String::with_capacity(128), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(network: &str, container_id: &str, ifname: &str) -> Owner {
        Owner::new(network, &Attachment { container_id: container_id.into(), ifname: ifname.into() })
    }

    #[test]
    fn hashes_are_the_references() {
        // The vector of the reference's masquerade test.
        let owner = owner("unit-test", "one", "eth0");
        assert_eq!(owner.tag(), "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one");
        assert!(owner.owns(&owner.tag()));
    }

    #[test]
    fn long_tags_are_cut_behind_the_prefix() {
        let owner = owner("n", &"x".repeat(300), "eth0");
        assert_eq!(owner.tag().len(), 128);
        assert!(owner.owns(&owner.tag()));
    }

    #[test]
    fn owners_differ_by_network_container_and_interface() {
        let one = owner("n", "c", "eth0");
        for other in [owner("m", "c", "eth0"), owner("n", "d", "eth0"), owner("n", "c", "eth1")] {
            assert!(!other.owns(&one.tag()));
            assert_ne!(one.link_names().next(), other.link_names().next());
        }
    }

    #[test]
    fn garbage_is_of_the_network_and_not_kept() {
        let kept = owner("n", "c", "eth0");
        let garbage = Garbage::of("n", &[kept.attachment().clone()].into());
        assert!(garbage.owns(&owner("n", "c", "eth1").tag()) && garbage.owns(&owner("n", "d", "eth0").tag()));
        assert!(!garbage.owns(&kept.tag()) && !garbage.owns(&owner("m", "d", "eth0").tag()) && !garbage.owns("uplink"));
    }

    #[test]
    fn siblings_are_other_interfaces_of_the_container_on_the_network() {
        let one = owner("n", "c", "eth0");
        assert!(one.is_sibling(&owner("n", "c", "eth1").tag()));
        for other in
            [owner("n", "c", "eth0"), owner("m", "c", "eth1"), owner("n", "cd", "eth1"), owner("n", "d", "eth1")]
        {
            assert!(!one.is_sibling(&other.tag()), "{}", other.tag());
        }
    }

    #[test]
    fn container_is_known_by_its_other_attachments_on_every_network() {
        let one = owner("n", "c", "eth0");
        for other in [owner("n", "c", "eth1"), owner("m", "c", "eth0"), owner("m, if: x, id: y", "c", "eth1")] {
            assert!(one.is_of_container(&other.tag()), "{}", other.tag());
        }
        let long = "c".repeat(100);
        assert!(owner("n", &long, "eth0").is_of_container(&owner("m", &long, "eth1").tag()));
        for other in [owner("n", "c", "eth0"), owner("n", "d", "eth1"), owner("m, if: eth0, id: c", "d", "eth1")] {
            assert!(!one.is_of_container(&other.tag()), "{}", other.tag());
        }
        assert!(!one.is_of_container("uplink, if: eth0, id: c"));
    }

    #[test]
    fn link_names_fit_the_kernel_and_differ() {
        let names: Vec<String> = owner("n", "c", "eth0").link_names().collect();
        assert_eq!(names.len(), LINK_NAMES);
        for (place, name) in names.iter().enumerate() {
            assert_eq!(name.len(), 15);
            assert!(name.starts_with(&link_stem(&network_hash("n"))));
            assert!(!names[..place].contains(name));
        }
    }

    #[test]
    fn foreign_aliases_are_nobodys_tags() {
        for text in
            ["", "uplink", "6fd94d501e58f0aa", "6fd94d501e58f0aa-287fc69eff0574aX, net: x", "ä".repeat(40).as_str()]
        {
            assert_eq!(tag_prefix(text), None, "{text}");
        }
    }
}
