//! host-local in a directory of leases that somebody else has been in.
//!
//! Whatever is there, ADD hands out no address that a file stands for, and no command touches what is nobody's business
//! of its attachment.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    net::IpAddr,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{OpenOptionsExt, PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use nix::{fcntl::OFlag, sys::stat::Mode, unistd::mkfifo};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;
use testkit::Attachment;

use crate::{
    cases::judge_each,
    demands,
    stage::{LIMIT, Stage, take_back},
    subjects,
    values::{self, Bytes},
};

/// Names that mean something in the directory, and names that nearly do.
const NAMES: [&str; 30] = [
    "10.88.0.2",
    "10.88.0.9",
    "10.88.0.3",
    "10.88.0.1",
    "10.88.0.200",
    "10.88.0.255",
    "10.99.0.4",
    "10.99.0.6",
    "192.0.2.1",
    "10.88.0.010",
    "10.88.0.2/24",
    "fd88::2",
    "fd88::9",
    "fd88:0:0:0::3",
    "FD88::4",
    "fd88::0005",
    "::ffff:10.88.0.3",
    "::",
    "lock",
    ".boot_id",
    ".new",
    "last_reserved_ip.0",
    "last_reserved_ip.1",
    "last_reserved_ip.2",
    "last_reserved_ip.",
    "last_reserved_ip.99999999999999999999",
    "index",
    "...",
    " ",
    "10.88.0.2 ",
];

/// What may be written in a lease, in a cursor, in the record of the boot.
const CONTENTS: [&[u8]; 24] = [
    b"",
    b"container\r\neth0",
    b"container\neth0",
    b"container",
    b"container\r\n",
    b"container\r\neth1",
    b"other\r\neth0",
    b" other \r\neth0 \r\n",
    b"other\r\neth0\r\nmore",
    b"\r\neth0",
    b"kept by hand",
    b"\0\0\0\0\0",
    b"\xff\xfe\x00c",
    b"\n",
    b"-",
    b"10.88.0.7",
    b"fd88::7",
    b"::ffff:10.88.0.3",
    b"10.99.0.9\n",
    b"999.0.0.1",
    b"boot ",
    b"boot 00000000-0000-0000-0000-000000000000\n",
    b"boot \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
    b"boot ffffffff",
];

/// Where a link may lead: nowhere, round, to itself, and to what gives no end, nothing, or nothing yet.
const TARGETS: [&str; 10] = [
    "nothing",
    "lock",
    ".",
    "/run/sandbox/odd/fifo",
    "/run/sandbox/odd/file",
    "/run/sandbox/odd/loop",
    "/dev/zero",
    "/dev/ptmx",
    "/dev/full",
    "/proc/self/mem",
];

/// Something in the directory.
#[derive(Clone, Debug)]
enum Thing {
    File(Bytes),
    /// A file without permissions.
    Closed,
    /// A file of so many bytes, which take no space.
    Sparse(u64),
    Directory,
    FullDirectory,
    Link(&'static str),
    Fifo,
    Socket,
}

/// A directory, and a call with it.
#[derive(Clone, Debug)]
struct Littered {
    /// What is in place of the directory, if that is not one.
    place: Option<Thing>,
    things: Vec<(OsString, Thing)>,
    /// So many addresses have leases of somebody else, besides.
    crowd: usize,
    command: &'static str,
    /// The container has leases from before.
    attached: bool,
    /// The configuration asks for certain addresses.
    asks: bool,
    /// All files carry the mark of an earlier boot, and the record names that.
    rebooted: bool,
}

/// A boot whose mark, the fraction of a second of what was made in it, is a nanosecond.
const EARLIER: &str = "boot 00000000-0000-4000-8000-000000000000\n";

#[test]
fn host_local_survives_junk_in_its_directory() {
    let stage = Stage::new(subjects::host_local);
    judge_each(&stage, &littered(), |case| judge(&stage, &case));
}

fn littered() -> impl Strategy<Value = Littered> {
    let name = prop_oneof![
        8 => select(&NAMES[..]).prop_map(OsString::from),
        1 => (2u8..210).prop_map(|last| format!("10.88.0.{last}").into()),
        1 => vec(1u8..=255, 1..40).prop_map(OsString::from_vec),
    ];
    let crowd = prop_oneof![12 => Just(0usize), 2 => Just(253usize), 1 => Just(3000usize)];
    let command = select(&["ADD", "ADD", "ADD", "CHECK", "DEL", "DEL", "GC", "STATUS"][..]);
    let place = proptest::option::weighted(0.05, thing());
    let flags = (any::<bool>(), any::<bool>(), proptest::bool::weighted(0.2));
    (place, vec((name, thing()), 0..8), crowd, command, flags).prop_map(
        |(place, things, crowd, command, (attached, asks, rebooted))| Littered {
            place,
            things,
            crowd,
            command,
            attached,
            asks,
            rebooted,
        },
    )
}

fn thing() -> impl Strategy<Value = Thing> {
    let unit = select(&["x", "container\r\n", "\n"][..]);
    let content = prop_oneof![
        6 => select(&CONTENTS[..]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..100),
        1 => (unit, values::long()).prop_map(|(unit, times)| unit.repeat(times).into()),
    ];
    prop_oneof![
        8 => content.prop_map(|content| Thing::File(Bytes(content))),
        1 => Just(Thing::Closed),
        1 => select(&[1u64, 4096, 4097, 1 << 33][..]).prop_map(Thing::Sparse),
        2 => Just(Thing::Directory),
        1 => Just(Thing::FullDirectory),
        3 => select(&TARGETS[..]).prop_map(Thing::Link),
        2 => Just(Thing::Fifo),
        1 => Just(Thing::Socket),
    ]
}

fn judge(stage: &Stage, case: &Littered) {
    let dir = stage.leases();
    let proper = if case.asks { stage.proper.clone() } else { asking_for_nothing(&stage.proper) };
    remove(&dir);
    fs::create_dir_all(&dir).unwrap();
    if case.attached {
        proper.add().success();
    }
    prepare(&dir, case);
    let before = listing(&dir);

    let call = proper.call(case.command).limit(LIMIT);
    let output = call.run();
    demands::check(case.command, &output);
    let after = listing(&dir);
    for (name, thing) in &before {
        let same = after.get(name) == Some(thing);
        assert!(same || may_change(case, name, thing), "{} was: {thing:?}\n{output}", name.display());
    }
    let new: Vec<&OsString> = after.keys().filter(|name| is_lease(name) && !before.contains_key(*name)).collect();
    if case.command == "ADD" && output.status.success() {
        for ip in addresses(&output.json()) {
            let present = before.get(OsStr::new(&ip));
            let free = present.is_none_or(|thing| may_change(case, OsStr::new(&ip), thing));
            assert!(free, "{ip} was taken: {present:?}\n{output}");
            assert_eq!(after.get(OsStr::new(&ip)), Some(&Found::File(Bytes(OWN.to_vec()))), "{case:?}\n{output}");
        }
        take_back(&call, &output);
        let own = |(name, thing): &(OsString, Found)| is_lease(name) && *thing == Found::File(Bytes(OWN.to_vec()));
        let left: Vec<_> = listing(&dir).into_iter().filter(own).collect();
        assert!(left.is_empty(), "DEL leaves leases: {left:?}\n{output}");
    } else {
        assert!(new.is_empty(), "new leases: {new:?}\n{output}");
    }
}

/// What the proper lease of the container says.
const OWN: &[u8] = b"container\r\neth0";

/// What is found under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// The beginning of a file.
    File(Bytes),
    Link,
    Other(String),
}

/// Whether the call may remove this, or change it.
fn may_change(case: &Littered, name: &OsStr, thing: &Found) -> bool {
    // The index lies beside the directory, and so inside it where that is a link to where it lies.
    let bookkeeping = name == "lock"
        || name == ".boot_id"
        || name == ".new"
        || name == ".net.index"
        || name.as_bytes().starts_with(b"last_");
    // Links count as what they lead to, which is not looked at here.
    if bookkeeping || *thing == Found::Link {
        return true;
    }
    let Found::File(Bytes(content)) = thing else { return false };
    if !is_lease(name) {
        return false;
    }
    let text = content.trim_ascii();
    if text.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return case.command != "CHECK" && case.command != "STATUS";
    }
    let is_own = text == OWN || text == b"container";
    match case.command {
        "ADD" => case.rebooted && is_of_a_container(text),
        "DEL" => is_own,
        // The container's attachment is the only one that stays.
        "GC" => !is_own && is_of_a_container(text),
        _ => false,
    }
}

/// Whether a lease begins with what may be a container's ID, and nothing else in its line.
fn is_of_a_container(content: &[u8]) -> bool {
    let id = content.split(|byte| *byte == b'\r').next().unwrap_or_default();
    id.first().is_some_and(u8::is_ascii_alphanumeric)
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
}

/// Whether a file of this name is a lease: the name is an address as the reference spells it.
fn is_lease(name: &OsStr) -> bool {
    let ip = name.to_str().and_then(|name| name.parse::<IpAddr>().ok());
    ip.is_some_and(|ip| OsStr::new(&ip.to_canonical().to_string()) == name)
}

fn addresses(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().unwrap().iter();
    ips.map(|ip| ip["address"].as_str().unwrap().split('/').next().unwrap().to_owned()).collect()
}

fn asking_for_nothing(proper: &Attachment) -> Attachment {
    proper.with_key("args", Value::Null).with_key("runtimeConfig", Value::Null)
}

fn prepare(dir: &Path, case: &Littered) {
    if let Some(thing) = &case.place {
        remove(dir);
        litter(dir, thing).unwrap();
    }
    for number in 0..case.crowd {
        let ip = format!("10.{}.{}.{}", if number < 253 { 88 } else { 89 }, number / 253, 2 + number % 253);
        // There may be no directory.
        let _ = fs::write(dir.join(ip), "crowd\r\neth0");
    }
    for (name, thing) in &case.things {
        // A name that is taken, or is none, is left out.
        let _ = litter(&dir.join(name), thing);
    }
    if case.rebooted {
        remove(&dir.join(".boot_id"));
        let _ = fs::write(dir.join(".boot_id"), EARLIER);
        age(dir);
    }
}

/// Puts the mark of [`EARLIER`] on all files.
fn age(dir: &Path) {
    let time = UNIX_EPOCH + Duration::new(1_700_000_000, 1);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_file() {
            File::open(entry.path()).unwrap().set_modified(time).unwrap();
        }
    }
}

fn litter(path: &Path, thing: &Thing) -> io::Result<()> {
    if matches!(thing, Thing::File(_) | Thing::Closed | Thing::Sparse(_)) {
        // In place of what the container has: its lease has been overwritten.
        let mut new = File::options();
        new.write(true).create(true).truncate(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let mut file = new.open(path)?;
        return match thing {
            Thing::File(Bytes(content)) => file.write_all(content),
            Thing::Sparse(length) => file.set_len(*length),
            _ => file.set_permissions(Permissions::from_mode(0o0)),
        };
    }
    match thing {
        Thing::Link(to) => symlink(to, path),
        Thing::Fifo => Ok(mkfifo(path, Mode::S_IRWXU)?),
        Thing::Socket => UnixListener::bind(path).map(drop),
        Thing::FullDirectory => fs::create_dir_all(path.join("more/directories")),
        _ => fs::create_dir(path),
    }
}

fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_err() {
        let _ = fs::remove_file(path);
    }
}

fn listing(dir: &Path) -> BTreeMap<OsString, Found> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name(), found(&entry.path()))).collect()
}

fn found(path: &Path) -> Found {
    let kind = path.symlink_metadata().unwrap().file_type();
    if kind.is_symlink() {
        return Found::Link;
    }
    if !kind.is_file() {
        return Found::Other(format!("{kind:?}"));
    }
    let mut content = Vec::new();
    // More than any lease has, and less than a sparse file.
    File::open(path).unwrap().take(100_000).read_to_end(&mut content).unwrap();
    Found::File(Bytes(content))
}
