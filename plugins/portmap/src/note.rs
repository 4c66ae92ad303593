//! What every element says beside its owner's tag, in the private part that nft does not show. Pure.

use std::{fmt::Write, net::IpAddr};

use nft::Element;

/// The note of an element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// How many elements the owner has: who finds as many has found all.
    pub elements: usize,
    /// The host's link of the owner, where it is known: when that has gone, so has the owner.
    pub link: Option<String>,
    /// The owner's addresses that have a hairpin, each with the host's link that it is behind. Only the element that stands for
    /// the owner itself tells them.
    pub homes: Vec<(IpAddr, String)>,
}

impl Note {
    /// The type of the private datum.
    const KIND: u8 = 0x4d;

    /// The note of an element.
    pub fn of(element: &Element) -> Option<Self> {
        let datum = element.private.as_ref().filter(|datum| datum.kind == Self::KIND)?;
        // No name of a link has a space.
        let words: Vec<&str> = std::str::from_utf8(&datum.value).ok()?.split(' ').collect();
        let [elements, link, homes @ ..] = words.as_slice() else { return None };
        let home = |home: &[&str]| match home {
            [address, link] => Some((address.parse().ok()?, (*link).to_owned())),
            _ => None,
        };
        let link = Some(*link).filter(|link| !link.is_empty()).map(str::to_owned);
        let homes = homes.chunks(2).map(home).collect::<Option<_>>()?;
        Some(Self { elements: elements.parse().ok()?, link, homes })
    }

    /// `element` with this note.
    pub fn on(&self, element: Element) -> Element {
        let mut text = format!("{} {}", self.elements, self.link.as_deref().unwrap_or_default());
        for (address, link) in &self.homes {
            // Writing to a string cannot fail.
            let _ = write!(text, " {address} {link}");
        }
        element.private(Self::KIND, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_is_read_as_it_was_written() {
        let home = |address: &str, link: &str| (address.parse().unwrap(), link.to_owned());
        for link in [None, Some("veth0".to_owned())] {
            for homes in
                [vec![], vec![home("10.0.0.2", "cni0")], vec![home("10.0.0.2", "cni0"), home("fd00::2", "a:b")]]
            {
                let note = Note { elements: 3, link: link.clone(), homes };
                assert_eq!(Note::of(&note.on(Element::new(80_u32))), Some(note));
            }
        }
    }

    #[test]
    fn longest_note_fits_beside_the_longest_comment() {
        let link = "x".repeat(15);
        let homes = ["255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];
        let homes = homes.map(|address| (address.parse().unwrap(), link.clone())).to_vec();
        let note = Note { elements: 999_999, link: Some(link), homes };
        // A longer one is refused: `nft::Tlv`.
        assert!(note.on(Element::new(80_u32)).private.unwrap().value.len() <= 121);
    }

    #[test]
    fn other_private_data_are_no_notes() {
        assert_eq!(Note::of(&Element::new(80_u32)), None);
        for text in ["x", "3", "x veth0", "3 veth0 10.0.0.2", "3 veth0 10.0.0.x cni0"] {
            assert_eq!(Note::of(&Element::new(80_u32).private(Note::KIND, text)), None, "{text}");
        }
    }
}
