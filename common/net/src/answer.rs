//! What the kernel answers, read without trust: short or odd content is left out, never a panic.
//!
//! The packet library can decode all of rtnetlink, which would be most of a plugin's size; the few attributes that are
//! looked at are read here.

use std::net::IpAddr;

use netlink_packet_core::NlasIterator;

/// Length of `struct nlattr`.
const HEADER: usize = 4;

/// One message of an answer, without its netlink header.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// `RTM_*`.
    pub(crate) kind: u16,
    /// The family's fixed header and the attributes behind it.
    pub(crate) payload: Vec<u8>,
}

impl Answer {
    /// The fixed header of `N` bytes and the attributes, if the message is of this kind.
    pub(crate) fn read<const N: usize>(&self, kind: u16) -> Option<([u8; N], Attributes<'_>)> {
        let (header, attributes) = self.payload.split_first_chunk::<N>()?;
        (self.kind == kind).then_some((*header, Attributes(attributes)))
    }

    /// The same with more attributes behind the others.
    pub(crate) fn with(&self, attributes: &[u8]) -> Self {
        Self { kind: self.kind, payload: [self.payload.as_slice(), attributes].concat() }
    }
}

/// Attributes (`struct nlattr`), possibly nested ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// Kinds, without flags, and values.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, Attribute<'a>)> {
        let whole = NlasIterator::new(self.0).map_while(Result::ok);
        whole.map(|attribute| {
            let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
            (kind, Attribute(attribute.into_inner().get(HEADER..length).unwrap_or_default()))
        })
    }

    /// The value of the first attribute of a kind.
    pub(crate) fn find(self, kind: u16) -> Option<Attribute<'a>> {
        self.iter().find_map(|(found, value)| (found == kind).then_some(value))
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a>(pub(crate) &'a [u8]);

impl<'a> Attribute<'a> {
    pub(crate) fn u8(self) -> Option<u8> {
        self.0.first().copied()
    }

    pub(crate) fn u16(self) -> Option<u16> {
        self.0.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
    }

    pub(crate) fn u32(self) -> Option<u32> {
        self.0.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
    }

    pub(crate) fn u64(self) -> Option<u64> {
        self.0.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
    }

    /// Text that ends with a NUL.
    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(self.0.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    }

    /// An address of either family, by its length.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self.0.len() {
            4 => self.0.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
            16 => self.0.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
            _ => None,
        }
    }

    pub(crate) fn nested(self) -> Attributes<'a> {
        Attributes(self.0)
    }
}

/// A message as the kernel would send it, for tests of the way there and back.
#[cfg(test)]
pub(crate) fn echo(kind: u16, message: &impl netlink_packet_core::Emitable) -> Answer {
    let mut payload = vec![0; message.buffer_len()];
    message.emit(&mut payload);
    Answer { kind, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_left_out() {
        let answer = Answer { kind: 16, payload: vec![1, 2, 3] };
        assert!(answer.read::<16>(16).is_none());
        assert!(answer.read::<2>(17).is_none());
        // A length beyond the end, and one below the header's.
        for bytes in [&[255, 0, 1, 0, 9][..], &[2, 0, 1, 0], &[0, 0]] {
            assert_eq!(Attributes(bytes).iter().count(), 0);
        }
        assert_eq!(Attribute(&[1, 2, 3]).u32(), None);
        assert_eq!(Attribute(&[1; 5]).ip(), None);
        assert_eq!(Attribute(b"eth0\0\0").text(), "eth0");
    }
}
