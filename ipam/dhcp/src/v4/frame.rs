//! Ethernet frames with a UDP datagram: how to talk before there is an address (RFC 791, RFC 768). Pure.

use std::net::Ipv4Addr;

use crate::v4::{CLIENT_PORT, SERVER_PORT};

/// The station that everybody is.
pub const EVERYBODY: [u8; 6] = [0xff; 6];

const ETHERNET: usize = 14;
const IP: usize = 20;
const UDP: usize = 8;
/// `ETH_P_IP` (`include/uapi/linux/if_ether.h`).
const TYPE_IPV4: [u8; 2] = [0x08, 0x00];
/// `IPPROTO_UDP`.
const PROTOCOL_UDP: u8 = 17;
/// More fragments, or not the first one: a datagram is whole if neither is set.
const FRAGMENT: u16 = 0x3fff;

/// Between whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The hardware address of the sender.
    pub from_mac: [u8; 6],
    /// That of the receiver.
    pub to_mac: [u8; 6],
    /// The address of the sender.
    pub from: Ipv4Addr,
    /// That of the receiver.
    pub to: Ipv4Addr,
}

/// A message from a client's port to a server's.
pub fn write(way: &Way, message: &[u8]) -> Vec<u8> {
    // A message is shorter than what a link takes.
    let udp_length = u16::try_from(UDP + message.len()).unwrap_or(u16::MAX);
    let length = udp_length.saturating_add(20);
    let mut ip = [0x45, 0x10, 0, 0, 0, 0, 0x40, 0, 64, PROTOCOL_UDP, 0, 0].to_vec();
    ip.splice(2..4, length.to_be_bytes());
    ip.extend(way.from.octets());
    ip.extend(way.to.octets());
    let checksum = !sum(&ip, 0);
    ip.splice(10..12, checksum.to_be_bytes());

    let mut udp = Vec::with_capacity(UDP + message.len());
    for number in [CLIENT_PORT, SERVER_PORT, udp_length, 0] {
        udp.extend(number.to_be_bytes());
    }
    udp.extend(message);
    // 0 would say that there is none.
    let checksum = match !sum(&udp, pseudo_header(way.from, way.to, udp_length)) {
        0 => u16::MAX,
        checksum => checksum,
    };
    udp.splice(6..8, checksum.to_be_bytes());
    [way.to_mac.as_slice(), &way.from_mac, &TYPE_IPV4, &ip, &udp].concat()
}

/// The message to a client in a frame, and the hardware address that it comes from. `None` for every other frame.
pub fn read(frame: &[u8]) -> Option<(&[u8], [u8; 6])> {
    let (ethernet, rest) = frame.split_at_checked(ETHERNET)?;
    let mac = ethernet.get(6..12)?.try_into().ok()?;
    let first = rest.first()?;
    if ethernet.get(12..)? != TYPE_IPV4 || first >> 4 != 4 {
        return None;
    }
    let header = usize::from(first & 0x0f) * 4;
    let length = usize::from(number(rest, 2)?);
    // Behind a short datagram there is padding.
    let (ip, datagram) = rest.get(..length)?.split_at_checked(header)?;
    if header < IP || ip.get(9)? != &PROTOCOL_UDP || number(ip, 6)? & FRAGMENT != 0 || sum(ip, 0) != u16::MAX {
        return None;
    }
    let udp_length = number(datagram, 4)?;
    let udp = datagram.get(..usize::from(udp_length))?;
    if number(udp, 2)? != CLIENT_PORT || number(udp, 0)? != SERVER_PORT {
        return None;
    }
    let [from, to] = [12, 16].map(|at| address(ip, at));
    is_sound(udp, pseudo_header(from?, to?, udp_length)).then_some((udp.get(UDP..)?, mac))
}

/// Whether the checksum is right or absent. From a server on this very machine it is what the kernel has begun and left to the
/// network card to complete, which nobody did (`CHECKSUM_PARTIAL`, `include/linux/skbuff.h`).
fn is_sound(udp: &[u8], pseudo_header: u32) -> bool {
    let written = number(udp, 6);
    written == Some(0) || written == Some(fold(pseudo_header)) || sum(udp, pseudo_header) == u16::MAX
}

fn pseudo_header(from: Ipv4Addr, to: Ipv4Addr, length: u16) -> u32 {
    let halves = [from, to].map(|ip| (ip.to_bits() >> 16) + (ip.to_bits() & 0xffff));
    halves.iter().sum::<u32>() + u32::from(PROTOCOL_UDP) + u32::from(length)
}

/// The sum of all 16-bit words in ones' complement (RFC 1071), beginning with `begin`.
fn sum(bytes: &[u8], begin: u32) -> u16 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    fold(words.fold(begin, u32::wrapping_add))
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or_default()
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAY: Way =
        Way { from_mac: [2, 0, 0, 0, 0, 1], to_mac: EVERYBODY, from: Ipv4Addr::UNSPECIFIED, to: Ipv4Addr::BROADCAST };

    /// The frame of a server: the ports the other way round, which no checksum notices.
    fn answer(way: &Way, message: &[u8]) -> Vec<u8> {
        let mut frame = write(way, message);
        frame.swap(35, 37);
        frame
    }

    #[test]
    fn the_checksums_are_those_of_the_rfcs() {
        // RFC 1071, section 3.
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0), 0xddf2);
        let frame = write(&WAY, b"hello");
        assert_eq!(frame.len(), 14 + 20 + 8 + 5);
        assert_eq!(frame[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0]);
        assert_eq!(frame[16..18], [0, 33], "length of the packet");
        assert_eq!(sum(&frame[14..34], 0), 0xffff);
        assert_eq!(frame[34..40], [0, 68, 0, 67, 0, 13]);
        assert_eq!(sum(&frame[34..], pseudo_header(WAY.from, WAY.to, 13)), 0xffff);
    }

    #[test]
    fn answers_are_read_also_behind_options_and_before_padding() {
        let frame = answer(&WAY, b"hello");
        assert_eq!(read(&frame), Some((b"hello".as_slice(), WAY.from_mac)));
        let mut padded = frame.clone();
        padded.extend([0; 13]);
        assert_eq!(read(&padded).unwrap().0, b"hello");
        let mut with_options = frame.clone();
        with_options.splice(34..34, [1, 1, 1, 1]);
        with_options[14] = 0x46;
        with_options[17] += 4;
        with_options[24..26].fill(0);
        let checksum = !sum(&with_options[14..38], 0);
        with_options[24..26].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(read(&with_options).unwrap().0, b"hello");
    }

    #[test]
    fn other_frames_are_passed_over() {
        let frame = answer(&WAY, b"hello");
        assert!(read(&write(&WAY, b"hello")).is_none(), "of another client");
        for (at, what) in
            [(13, "type"), (14, "version"), (23, "protocol"), (21, "fragment"), (26, "address"), (43, "message")]
        {
            let mut broken = frame.clone();
            broken[at] ^= 1;
            assert!(read(&broken).is_none(), "{what}");
        }
        assert!((0..frame.len()).all(|length| read(&frame[..length]).is_none()));
    }

    #[test]
    fn checksums_that_were_left_to_the_card_will_do() {
        for checksum in [0, fold(pseudo_header(WAY.from, WAY.to, 13))] {
            let mut frame = answer(&WAY, b"hello");
            frame[40..42].copy_from_slice(&checksum.to_be_bytes());
            assert!(read(&frame).is_some(), "{checksum:x}");
        }
    }

    proptest! {
        #[test]
        fn junk_is_survived(junk in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..60) {
            read(&junk);
            let mut frame = answer(&WAY, &junk);
            if let Some(byte) = frame.get_mut(at) { *byte = byte.wrapping_add(1) }
            read(&frame);
        }
    }
}
