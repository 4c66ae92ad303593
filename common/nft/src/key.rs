//! Keys and data of sets: typed values, and their bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::value::{Ifname, Nfproto, Proto};

/// Fields of a concatenation start on a register, `NFT_REG32_SIZE` in `include/uapi/linux/netfilter/nf_tables.h`.
pub(crate) const REGISTER_LEN: usize = 4;

/// The type of one field of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// `nf_proto`
    Nfproto,
    /// `ipv4_addr`
    Ipv4Addr,
    /// `ipv6_addr`
    Ipv6Addr,
    /// `ether_addr`
    EtherAddr,
    /// `inet_proto`
    InetProto,
    /// `inet_service`
    InetService,
    /// `mark`
    Mark,
    /// `ifname`
    Ifname,
}

impl KeyType {
    /// The number by which nft knows the type when it prints a set: `enum datatypes` in nftables' `datatype.h`. The
    /// kernel stores it unread (`NFTA_SET_KEY_TYPE`).
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::Nfproto => 2,
            Self::Ipv4Addr => 7,
            Self::Ipv6Addr => 8,
            Self::EtherAddr => 9,
            Self::InetProto => 12,
            Self::InetService => 13,
            Self::Mark => 19,
            Self::Ifname => 41,
        }
    }

    /// Bytes without padding.
    #[allow(clippy::len_without_is_empty, reason = "a width, not a container")]
    pub fn len(self) -> usize {
        match self {
            Self::Nfproto | Self::InetProto => 1,
            Self::InetService => 2,
            Self::Ipv4Addr | Self::Mark => 4,
            Self::EtherAddr => 6,
            Self::Ipv6Addr | Self::Ifname => 16,
        }
    }

    /// Bytes in a concatenation, where every field starts on a register.
    pub(crate) fn padded_len(self) -> usize {
        self.len().next_multiple_of(REGISTER_LEN)
    }

    /// 32-bit registers that a value takes.
    pub(crate) fn registers(self) -> u32 {
        match self {
            Self::Nfproto | Self::InetProto | Self::InetService | Self::Ipv4Addr | Self::Mark => 1,
            Self::EtherAddr => 2,
            Self::Ipv6Addr | Self::Ifname => 4,
        }
    }

    /// Whether bytes order as values do; the kernel compares intervals bytewise.
    pub(crate) fn is_big_endian(self) -> bool {
        !matches!(self, Self::Mark | Self::Ifname)
    }

    /// The name in `nft(8)`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nfproto => "nf_proto",
            Self::Ipv4Addr => "ipv4_addr",
            Self::Ipv6Addr => "ipv6_addr",
            Self::EtherAddr => "ether_addr",
            Self::InetProto => "inet_proto",
            Self::InetService => "inet_service",
            Self::Mark => "mark",
            Self::Ifname => "ifname",
        }
    }

    fn read(self, bytes: &[u8]) -> Option<Value> {
        Some(match self {
            Self::Nfproto => Value::Nfproto(Nfproto(*bytes.first()?)),
            Self::Ipv4Addr => Value::Ipv4(<[u8; 4]>::try_from(bytes).ok()?.into()),
            Self::Ipv6Addr => Value::Ipv6(<[u8; 16]>::try_from(bytes).ok()?.into()),
            Self::EtherAddr => Value::Ether(bytes.try_into().ok()?),
            Self::InetProto => Value::Proto(Proto(*bytes.first()?)),
            Self::InetService => Value::Port(u16::from_be_bytes(bytes.try_into().ok()?)),
            Self::Mark => Value::Mark(u32::from_ne_bytes(bytes.try_into().ok()?)),
            Self::Ifname => Value::Ifname(Ifname::from_padded(bytes)),
        })
    }
}

/// `ipv4_addr . inet_service`, as nft writes a concatenation of types.
pub(crate) fn type_names(types: &[KeyType]) -> String {
    types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" . ")
}

/// The length of a key of these types: a lone field is bare, the fields of a concatenation are padded.
pub(crate) fn key_len(types: &[KeyType]) -> usize {
    match types {
        [one] => one.len(),
        many => many.iter().map(|kind| kind.padded_len()).sum(),
    }
}

/// One field of a key, or of the data of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// `nf_proto`
    Nfproto(Nfproto),
    /// `ipv4_addr`
    Ipv4(Ipv4Addr),
    /// `ipv6_addr`
    Ipv6(Ipv6Addr),
    /// `ether_addr`
    Ether([u8; 6]),
    /// `inet_proto`
    Proto(Proto),
    /// `inet_service`
    Port(u16),
    /// `mark`
    Mark(u32),
    /// `ifname`
    Ifname(Ifname),
}

impl Value {
    /// The type of this value.
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Nfproto(_) => KeyType::Nfproto,
            Self::Ipv4(_) => KeyType::Ipv4Addr,
            Self::Ipv6(_) => KeyType::Ipv6Addr,
            Self::Ether(_) => KeyType::EtherAddr,
            Self::Proto(_) => KeyType::InetProto,
            Self::Port(_) => KeyType::InetService,
            Self::Mark(_) => KeyType::Mark,
            Self::Ifname(_) => KeyType::Ifname,
        }
    }

    /// The bytes as they stand in a register: what comes from a packet in network order, what the kernel keeps as a
    /// number in host order.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Nfproto(Nfproto(byte)) | Self::Proto(Proto(byte)) => vec![*byte],
            Self::Ipv4(addr) => addr.octets().to_vec(),
            Self::Ipv6(addr) => addr.octets().to_vec(),
            Self::Ether(mac) => mac.to_vec(),
            Self::Port(port) => port.to_be_bytes().to_vec(),
            Self::Mark(mark) => mark.to_ne_bytes().to_vec(),
            Self::Ifname(name) => name.padded(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nfproto(nfproto) => nfproto.fmt(f),
            Self::Ipv4(addr) => addr.fmt(f),
            Self::Ipv6(addr) => addr.fmt(f),
            Self::Ether(mac) => {
                let octets: Vec<String> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
                f.write_str(&octets.join(":"))
            }
            Self::Proto(proto) => proto.fmt(f),
            Self::Port(port) => port.fmt(f),
            Self::Mark(mark) => write!(f, "{mark:#010x}"),
            Self::Ifname(name) => name.fmt(f),
        }
    }
}

/// Makes a type usable where a [`Value`] is expected.
macro_rules! value_from {
    ($($from:ty => $variant:ident),+) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        })+
    };
}
value_from!(Nfproto => Nfproto, Ipv4Addr => Ipv4, Ipv6Addr => Ipv6, [u8; 6] => Ether, Proto => Proto, u16 => Port,
    u32 => Mark, Ifname => Ifname);

/// A key: the values of its fields in order.
///
/// Read one back with a slice pattern: `if let [Value::Proto(proto), Value::Port(port)] = key.values()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<Value>);

impl Key {
    /// A key without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a field.
    #[must_use]
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.0.push(value.into());
        self
    }

    /// Appends an address of either family.
    #[must_use]
    pub fn ip(self, addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(addr) => self.with(addr),
            IpAddr::V6(addr) => self.with(addr),
        }
    }

    /// Appends an `ipv4_addr`.
    #[must_use]
    pub fn ipv4(self, addr: Ipv4Addr) -> Self {
        self.with(addr)
    }

    /// Appends an `ipv6_addr`.
    #[must_use]
    pub fn ipv6(self, addr: Ipv6Addr) -> Self {
        self.with(addr)
    }

    /// Appends an `inet_proto`.
    #[must_use]
    pub fn proto(self, proto: Proto) -> Self {
        self.with(proto)
    }

    /// Appends an `inet_service`.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.with(port)
    }

    /// Appends an `ifname`.
    #[must_use]
    pub fn ifname(self, name: Ifname) -> Self {
        self.with(name)
    }

    /// Appends an `ether_addr`.
    #[must_use]
    pub fn ether(self, mac: [u8; 6]) -> Self {
        self.with(mac)
    }

    /// Appends a `mark`.
    #[must_use]
    pub fn mark(self, mark: u32) -> Self {
        self.with(mark)
    }

    /// Appends an `nf_proto`.
    #[must_use]
    pub fn nfproto(self, nfproto: Nfproto) -> Self {
        self.with(nfproto)
    }

    /// The fields in order.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// The types of the fields in order.
    pub fn types(&self) -> Vec<KeyType> {
        self.0.iter().map(Value::key_type).collect()
    }

    /// The bytes the kernel stores.
    pub fn bytes(&self) -> Vec<u8> {
        if let [one] = self.0.as_slice() {
            return one.bytes();
        }
        let mut bytes = Vec::new();
        for value in &self.0 {
            bytes.extend(value.bytes());
            bytes.resize(bytes.len().next_multiple_of(REGISTER_LEN), 0);
        }
        bytes
    }

    /// Reads the bytes of a key of these types; `None` when the length does not fit them.
    pub fn from_bytes(types: &[KeyType], bytes: &[u8]) -> Option<Self> {
        if bytes.len() != key_len(types) {
            return None;
        }
        let mut rest = bytes;
        let mut values = Vec::with_capacity(types.len());
        for kind in types {
            values.push(kind.read(rest.get(..kind.len())?)?);
            rest = rest.get(kind.padded_len()..).unwrap_or_default();
        }
        Some(Self(values))
    }
}

impl<V: Into<Value>> From<V> for Key {
    fn from(value: V) -> Self {
        Self::new().with(value)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, value) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { " . " };
            write!(f, "{dot}{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;

    #[test]
    fn lone_field_is_bare() {
        assert_eq!(Key::new().port(80).bytes(), [0, 80]);
        assert_eq!(Key::from(Proto::TCP).bytes(), [6]);
    }

    #[test]
    fn concatenation_pads_every_field() {
        let key = Key::new().proto(Proto::TCP).port(8080).ether([0, 1, 2, 3, 4, 5]);
        assert_eq!(key.bytes(), [6, 0, 0, 0, 0x1f, 0x90, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0]);
        assert_eq!(key.to_string(), "tcp . 8080 . 00:01:02:03:04:05");
    }

    #[test]
    fn mark_is_host_order() {
        assert_eq!(Key::new().mark(0x2000).bytes(), 0x2000_u32.to_ne_bytes());
    }

    #[test]
    fn every_type_reads_back() -> Result<()> {
        let key = Key::new()
            .nfproto(Nfproto::IPV6)
            .ipv4([10, 1, 2, 3].into())
            .ipv6(Ipv6Addr::LOCALHOST)
            .ether([1, 2, 3, 4, 5, 6])
            .proto(Proto::SCTP)
            .port(53)
            .mark(7)
            .ifname(Ifname::new("cni0")?);
        assert_eq!(Key::from_bytes(&key.types(), &key.bytes()), Some(key));
        Ok(())
    }

    #[test]
    fn wrong_length_is_no_key() {
        assert_eq!(Key::from_bytes(&[KeyType::Ipv4Addr], &[1, 2, 3]), None);
        assert_eq!(Key::from_bytes(&[KeyType::InetProto, KeyType::InetService], &[6, 0, 0, 0, 0, 80]), None);
    }
}
