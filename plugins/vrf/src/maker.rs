//! Whose a VRF is: those that others have made stay. Nothing here touches the kernel.

use attach::{network_hash, tag_prefix};
use net::{Link, Mac};

/// The alias of a VRF that was there, without ports, before an ADD of ours took it.
pub const ADOPTED: &str = "was here before the CNI plugin vrf";

/// Who has made a VRF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// An ADD of ours.
    Us,
    /// Somebody before any ADD.
    Before,
    /// Nobody who says so: it may be the reference's.
    Unsaid,
    /// Somebody who has given it an alias.
    Other,
}

impl Maker {
    /// Who has made this one. Ours has a hardware address that follows from its name, which is set by the message that makes it:
    /// the alias comes later, and goes with another name.
    pub fn of(vrf: &Link) -> Self {
        let alias = vrf.alias.as_deref();
        if vrf.mac == Some(mac_of(&vrf.name)) || alias.is_some_and(|alias| tag_prefix(alias).is_some()) {
            return Self::Us;
        }
        match alias {
            None | Some("") => Self::Unsaid,
            Some(ADOPTED) => Self::Before,
            Some(_) => Self::Other,
        }
    }
}

/// The hardware address of a VRF of ours. No frame ever has it: a VRF has no wire.
pub fn mac_of(name: &str) -> Mac {
    let digits = network_hash(&format!("vrf {name}"));
    let [_, _, mut octets @ ..] = u64::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes();
    if let Some(first) = octets.first_mut() {
        // Locally administered, of one station.
        *first = 2;
    }
    Mac(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker(name: &str, mac: Mac, alias: Option<&str>) -> Maker {
        Maker::of(&Link { name: name.into(), mac: Some(mac), alias: alias.map(str::to_owned), ..Link::default() })
    }

    #[test]
    fn ours_is_known_by_its_hardware_address_or_its_tag() {
        let tag = "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one";
        assert_eq!(maker("blue", mac_of("blue"), None), Maker::Us, "a crash has kept the tag off");
        assert_eq!(maker("red", mac_of("blue"), Some(tag)), Maker::Us, "it has another name by now");
        assert_eq!(maker("blue", mac_of("blue"), Some("mine")), Maker::Us);
    }

    #[test]
    fn others_are_told_apart_by_what_they_say() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        assert_eq!(maker("blue", mac, None), Maker::Unsaid);
        assert_eq!(maker("blue", mac, Some("")), Maker::Unsaid);
        assert_eq!(maker("blue", mac, Some(ADOPTED)), Maker::Before);
        assert_eq!(maker("blue", mac, Some("customers")), Maker::Other);
        assert_eq!(maker("blue", mac_of("red"), None), Maker::Unsaid);
    }

    #[test]
    fn hardware_addresses_can_be_had_and_differ() {
        assert!(mac_of("blue").is_assignable());
        assert_ne!(mac_of("blue"), mac_of("red"));
    }
}
