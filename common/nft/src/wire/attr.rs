//! Attributes: reading those of an answer, which is total whatever the bytes are, and nesting those of a request.

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED, NlasIterator};

/// An attribute that holds another.
pub(crate) fn nested(kind: u16, inner: &impl Emitable) -> DefaultNla {
    let mut bytes = vec![0; inner.buffer_len()];
    inner.emit(&mut bytes);
    DefaultNla::new(kind | NLA_F_NESTED, bytes)
}

/// The bytes before an attribute's value: length and type.
const HEADER_LEN: usize = 4;

/// A sequence of attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attrs<'a>(pub(crate) &'a [u8]);

impl<'a> Attrs<'a> {
    /// Type (without flags) and value of every attribute; a malformed one ends the sequence.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        NlasIterator::new(self.0).map_while(|attr| {
            let attr = attr.ok()?;
            let (kind, end) = (attr.kind(), usize::from(attr.length()));
            Some((kind, attr.into_inner().get(HEADER_LEN..end)?))
        })
    }

    /// The value of the first attribute of a type.
    pub(crate) fn find(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find_map(|(this, value)| (this == kind).then_some(value))
    }

    /// The attributes inside another.
    pub(crate) fn nested(self, kind: u16) -> Option<Attrs<'a>> {
        self.find(kind).map(Attrs)
    }

    /// A 16-bit number in network order.
    pub(crate) fn be16(self, kind: u16) -> Option<u16> {
        Some(u16::from_be_bytes(self.find(kind)?.try_into().ok()?))
    }

    /// A 32-bit number in network order.
    pub(crate) fn be32(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.find(kind)?.try_into().ok()?))
    }

    /// A 64-bit number in network order.
    pub(crate) fn be64(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.find(kind)?.try_into().ok()?))
    }

    /// A string, without its NUL.
    pub(crate) fn string(self, kind: u16) -> Option<String> {
        let bytes = self.find(kind)?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_flag_is_not_part_of_the_type() {
        let bytes = [12, 0, 3, 0x80, 8, 0, 1, 0, 0, 0, 0, 9];
        assert_eq!(Attrs(&bytes).nested(3).and_then(|inner| inner.be32(1)), Some(9));
    }

    #[test]
    fn junk_ends_the_sequence() {
        for junk in [&[1][..], &[0, 0, 0, 0], &[200, 0, 1, 0, 5], &[5, 0, 1, 0]] {
            assert_eq!(Attrs(junk).iter().count(), 0);
        }
        assert_eq!(Attrs(&[6, 0, 1, 0, b'a', b'b']).be32(1), None);
    }
}
