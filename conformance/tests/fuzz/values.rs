//! Single JSON values that somebody may not have thought of, as text.

use std::fmt;

use proptest::{collection::vec, prelude::*, sample::select};

/// What means something in one place, to be put into another.
const WORDS: [&str; 66] = [
    // Names of links, of networks, of things below /proc/sys/net.
    "",
    " ",
    ".",
    "..",
    "-",
    "lo",
    "eth0",
    "cni0",
    "veth0",
    "all",
    "default",
    "a/b",
    "a:b",
    "a b",
    "name-of-16-chars",
    "name-of-15-char",
    "eth4294967296",
    "eth18446744073709551616",
    "\u{fc}",
    "%s%n",
    "c\0d",
    "line\nbreak",
    "\u{2028}",
    // Addresses and networks, and what almost is one.
    "0.0.0.0",
    "0.0.0.0/0",
    "10.88.0.0",
    "10.88.0.0/24",
    "10.88.0.0/30",
    "10.88.0.2",
    "10.88.0.1/24",
    "10.88.0.0/33",
    "10.88.0.0/-1",
    "010.88.0.0/16",
    "10.88.0.1,10.88.0.3",
    "127.0.0.1",
    "127.0.0.1/8",
    "255.255.255.255/32",
    "224.0.0.1/24",
    "::",
    "::/0",
    "::1",
    "fd88::/64",
    "fd88::2/128",
    "fe80::1/64",
    "fe80::1%eth0",
    "ff02::1/128",
    "::ffff:10.88.0.2/120",
    "FD88::0002",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
    "00:00:00:00:00:00",
    "01:00:00:00:00:01",
    "ff-ff-ff-ff-ff-ff",
    // Types, versions, words of nft.
    "bridge",
    "host-local",
    "portmap",
    "../bin/host-local",
    "0.1.0",
    "0.3.1",
    "1.0.0",
    "1.1.0",
    "99.0.0",
    "{",
    "\"",
    "accept",
    "iptables",
    "ip saddr @ports4",
];

/// Files to read or directories to write to. Nothing outside of the sandbox can be written.
const PATHS: [&str; 12] = [
    "/",
    "/dev/null",
    "/dev/zero",
    "/dev/ptmx",
    "/dev/full",
    "/proc/self/mem",
    "/etc/passwd",
    "/nonexistent",
    "/run/sandbox/odd/fifo",
    "/run/sandbox/odd/socket",
    "/run/sandbox/odd/loop",
    "relative/path",
];

const NUMBERS: [&str; 34] = [
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "3",
    "31",
    "32",
    "67",
    "68",
    "128",
    "253",
    "254",
    "255",
    "256",
    "1500",
    "4094",
    "4095",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1.0",
    "1.5",
    "1e2",
    "1e999",
];

/// Values of other types, and what is no JSON at all.
const OTHERS: [&str; 24] = [
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "[null]",
    "[[]]",
    "[[[]]]",
    "[{}]",
    "[\"\"]",
    "{\"\":{}}",
    "[[{}]]",
    "[0]",
    "{\"cni\":7}",
    "NaN",
    "Infinity",
    "0x10",
    "+1",
    ".5",
    "01",
    "'x'",
    "undefined",
    "",
    "[1,]",
];

/// Strings that can only be written with care.
const TOKENS: [&[u8]; 12] = [
    br#""\u0000""#,
    br#""\ud800""#,
    br#""\udc00\ud800""#,
    br#""\ud83d\ude00""#,
    br#""\uD8""#,
    br#""\x""#,
    b"\"\x01\"",
    b"\"\n\"",
    b"\"\xff\xfe\"",
    b"\"\xc3\"",
    b"\"open",
    b"\"\x00\"",
];

/// Bytes that are shown as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Any value.
pub fn value() -> impl Strategy<Value = Vec<u8>> {
    let items = vec(prop_oneof![string(), number()], 0..5);
    prop_oneof![
        6 => string(),
        4 => number(),
        3 => select(&OTHERS[..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => items.prop_map(|items| [b"[", &items.join(&b","[..])[..], b"]"].concat()),
    ]
}

/// A string with its quotes.
pub fn string() -> impl Strategy<Value = Vec<u8>> {
    let unit = select(&["x", "1", "\n", "\u{fc}", "1.", "/x"][..]);
    prop_oneof![
        12 => text().prop_map(|text| quoted(&text)),
        3 => select(&TOKENS[..]).prop_map(<[u8]>::to_vec),
        1 => (unit, long()).prop_map(|(unit, times)| quoted(&unit.repeat(times))),
    ]
}

/// Text that fits into a variable of the environment too, but for NULs.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(&WORDS[..]).prop_map(str::to_owned),
        2 => select(&PATHS[..]).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9._:/-]{1,20}",
        2 => "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(/[0-9]{1,3})?",
        1 => "[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,8}(/[0-9]{1,3})?",
        1 => "\\PC{1,20}",
        1 => any::<String>(),
    ]
}

/// A number.
pub fn number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => select(&NUMBERS[..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => any::<f64>().prop_map(|number| format!("{number:e}").into_bytes()),
        1 => "-?[1-9][0-9]{20,400}".prop_map(String::into_bytes),
    ]
}

/// A length that may matter: of a name, of a file name, of a path, of what fits into a pipe, and more.
pub fn long() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => select(&[14usize, 15, 16, 126, 128, 255, 256, 4095, 4096][..]),
        2 => 1usize..5000,
        1 => Just(70_000usize),
    ]
}

pub fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap()
}
