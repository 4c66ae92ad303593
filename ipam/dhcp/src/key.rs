//! Which attachment something belongs to, and the names that follow from it.

use cni::Attachment;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512};

/// The longest client identifier: an option has 255 bytes, the first of which is the type.
const CLIENT_ID: usize = 254;

/// An attachment of a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The network's name.
    pub network: String,
    /// `CNI_CONTAINERID`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

impl Key {
    /// The attachment as it is known in `network`.
    pub fn new(network: &str, attachment: &Attachment) -> Self {
        let Attachment { container_id, ifname } = attachment.clone();
        Self { network: network.to_owned(), container_id, ifname }
    }

    /// What DHCPv4 servers know it by: the reference's, so that either gets the same address. Type 0 is text of one's own choice.
    pub fn client_id(&self) -> Vec<u8> {
        let text = self.text();
        [0].into_iter().chain(text.bytes().take(CLIENT_ID)).collect()
    }

    /// What DHCPv6 servers know it by: a DUID of type 4, a UUID (RFC 6355). Of a kind that says only that it was derived from
    /// something (RFC 9562, version 8).
    pub fn duid(&self) -> Vec<u8> {
        let mut uuid: Vec<u8> = Sha512::digest(self.text()).iter().copied().take(16).collect();
        for (at, keep, mark) in [(6, 0x0f, 0x80), (8, 0x3f, 0x80)] {
            if let Some(byte) = uuid.get_mut(at) {
                *byte = (*byte & keep) | mark;
            }
        }
        [0, 4].into_iter().chain(uuid).collect()
    }

    /// The name of its file without what stands around it. It begins with that of its network.
    pub fn stem(&self) -> String {
        format!("{}-{}", network_stem(&self.network), hash(&format!("{}/{}", self.container_id, self.ifname)))
    }

    fn text(&self) -> String {
        format!("{}/{}/{}", self.container_id, self.network, self.ifname)
    }
}

/// What the names of a network's files begin with.
pub fn network_stem(network: &str) -> String {
    hash(network)
}

fn hash(text: &str) -> String {
    let first = Sha512::digest(text).iter().take(8).fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
    format!("{first:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(container_id: &str) -> Key {
        Key::new("net", &Attachment { container_id: container_id.into(), ifname: "eth0".into() })
    }

    #[test]
    fn client_identifiers_are_the_references() {
        assert_eq!(key("c1").client_id(), b"\0c1/net/eth0");
        assert_eq!(key(&"x".repeat(300)).client_id().len(), 255);
    }

    #[test]
    fn duids_are_uuids_and_differ() {
        let duid = key("c1").duid();
        assert_eq!((duid.len(), &duid[..2], duid[8] >> 4, duid[10] >> 6), (18, &[0, 4][..], 8, 2));
        assert_eq!(duid, key("c1").duid());
        assert_ne!(duid, key("c2").duid());
    }

    #[test]
    fn files_are_told_apart_and_begin_with_their_network() {
        assert!(key("c1").stem().starts_with(&network_stem("net")));
        assert_ne!(key("c1").stem(), key("c2").stem());
        assert!(key(&"x".repeat(300)).stem().len() < 40);
    }
}
