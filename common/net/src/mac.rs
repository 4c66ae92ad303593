//! Hardware addresses.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    str::FromStr,
};

/// An Ethernet hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A random address, unicast and locally administered (IEEE 802, 48-bit identifiers).
    ///
    /// Its bits are those of the keys that the standard library takes from the kernel for its hash maps.
    pub fn random() -> Self {
        let [first, rest @ ..] = RandomState::new().build_hasher().finish().to_be_bytes();
        let mut octets = [(first & 0xfc) | 0x02, 0, 0, 0, 0, 0];
        octets.iter_mut().skip(1).zip(rest).for_each(|(octet, random)| *octet = random);
        Self(octets)
    }

    /// Whether a link can have the address: not a group's, not all zeros (`is_valid_ether_addr`, etherdevice.h).
    pub fn is_assignable(self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 0 && self.0 != [0; 6]
    }
}

impl FromStr for Mac {
    type Err = ();

    /// Six groups of two hexadecimal digits, with `:` or `-` between them.
    fn from_str(text: &str) -> Result<Self, ()> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut groups = text.split(separator);
        for octet in &mut octets {
            let group = groups.next().filter(|group| group.len() == 2 && group.bytes().all(|b| b.is_ascii_hexdigit()));
            *octet = u8::from_str_radix(group.ok_or(())?, 16).map_err(|_| ())?;
        }
        if groups.next().is_some() { Err(()) } else { Ok(Self(octets)) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02x}", if place == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_read_and_junk_is_refused() {
        let mac = Mac([0x02, 0, 0, 0xab, 0xcd, 0xef]);
        assert_eq!("02:00:00:AB:cd:ef".parse(), Ok(mac));
        assert_eq!("02-00-00-ab-cd-ef".parse(), Ok(mac));
        assert_eq!(mac.to_string(), "02:00:00:ab:cd:ef");
        for junk in
            ["", "02:00:00:ab:cd", "02:00:00:ab:cd:ef:00", "2:0:0:ab:cd:ef", "02:00:00:ab:cd:+f", "02:00-00:ab:cd:ef"]
        {
            assert_eq!(junk.parse::<Mac>(), Err(()), "{junk}");
        }
    }

    #[test]
    fn random_addresses_are_assignable_and_differ() {
        let (one, other) = (Mac::random(), Mac::random());
        assert!(one.is_assignable() && one.0[0] & 2 == 2);
        assert_ne!(one, other);
        assert!(!Mac([1, 0, 0, 0, 0, 0]).is_assignable());
        assert!(!Mac([0; 6]).is_assignable());
    }
}
