//! Marks on a device that is lent to a container: whose it is, and how it was before.
//!
//! They are alternative names, which move along with a link, and which a kernel that takes a device back from a container that
//! has gone leaves on it. All begin with the owner's hashes, so that no two devices have the same:
//!
//! ```text
//! a4861f4ae9f7d238-f4d01f2ef4b92245,net:pods,if:eth0,id:c1    the key: follows from the attachment, and is found at once
//! a4861f4ae9f7d238-f4d01f2ef4b92245,was:up:enp59s0            its name on the host, and whether it was up
//! a4861f4ae9f7d238-f4d01f2ef4b92245,alias:0:to%20rack%207     its alias, in as many parts as it needs
//! ```
//!
//! The alias of the link is the name on the host, as with the reference plugin, which knows nothing else.

use std::{collections::BTreeSet, fmt::Write as _};

use attach::{Owner, kernel, tag_prefix};
use cni::{Result, check_ifname};
use net::{Errno, Link, Rtnl};

/// The longest alternative name (`ALTIFNAMSIZ`, `include/uapi/linux/if.h`).
const ALTNAME_MAX: usize = 127;
/// How much of an alias a mark takes: the rest is the owner's hashes, what it is, and its number.
const PART: usize = ALTNAME_MAX - 33 - ",alias:0:".len();

/// How a device was before it was lent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Its name on the host.
    pub name: String,
    /// Whether it was up.
    pub up: bool,
    /// Its alias.
    pub alias: Option<String>,
}

impl Marks {
    /// What a device says of how it was, with the hashes of each owner that it names. None if that is only the key: a crash has
    /// kept off the rest, and the device has not been touched.
    pub fn all_of(link: &Link) -> impl Iterator<Item = (String, Option<Self>)> + '_ {
        let owners: BTreeSet<String> =
            link.altnames.iter().filter_map(|name| owner_of(name)).map(str::to_owned).collect();
        owners.into_iter().map(|owner| {
            let marks = Self::read(link, &owner);
            (owner, marks)
        })
    }

    /// What a device says of how it was before this owner borrowed it.
    pub fn of(link: &Link, owner: &Owner) -> Option<Self> {
        Self::read(link, &owner.prefix())
    }

    fn read(link: &Link, owner: &str) -> Option<Self> {
        let own = |what: &str| {
            let start = format!("{owner},{what}:");
            link.altnames.iter().filter_map(move |name| name.strip_prefix(&start).map(str::to_owned))
        };
        let was = own("was").next()?;
        let (state, name) = was.split_once(':')?;
        // Whoever is in the container can write them: nothing is done that no device can be called.
        check_ifname(name).ok()?;
        let mut parts: Vec<String> = own("alias").collect();
        parts.sort();
        let alias: String = parts.iter().filter_map(|part| part.split_once(':')).map(|(_, text)| text).collect();
        Some(Self { name: name.to_owned(), up: state == "up", alias: (!alias.is_empty()).then(|| decode(&alias)) })
    }

    /// The marks of an owner, the key first: without it nothing else would be found.
    fn written(&self, owner: &Owner) -> Vec<String> {
        let prefix = owner.prefix();
        let state = if self.up { "up" } else { "down" };
        let alias = encode(self.alias.as_deref().unwrap_or_default());
        let parts = alias.as_bytes().chunks(PART).map(String::from_utf8_lossy).enumerate();
        let parts = parts.map(|(number, text)| format!("{prefix},alias:{number}:{text}"));
        [key(owner), format!("{prefix},was:{state}:{}", self.name)].into_iter().chain(parts).collect()
    }

    /// Puts them on a device, as far as they are not there. Kernels before 5.5 have no alternative names: then the alias alone
    /// has to do, as for the reference.
    pub fn put(&self, rtnl: &mut Rtnl, link: &Link, owner: &Owner) -> Result<()> {
        for mark in self.written(owner).iter().filter(|mark| !link.altnames.contains(mark)) {
            match rtnl.add_altname(link, mark) {
                Err(error) if error.errno == Errno::EOPNOTSUPP => {
                    log::warn!("{error}; it is not found when the container renames it");
                    return Ok(());
                }
                added => added.map_err(kernel)?,
            }
        }
        Ok(())
    }
}

/// Takes the marks of an owner off a device, the key last. They, or the device, may have gone.
pub fn remove(rtnl: &mut Rtnl, link: &Link, owner: &str) -> Result<()> {
    let mut own: Vec<&String> = link.altnames.iter().filter(|name| owner_of(name) == Some(owner)).collect();
    own.sort_by_key(|name| is_key(name));
    own.into_iter().try_for_each(|name| rtnl.del_altname(link, name).map_err(kernel))
}

/// The mark by which the device of an attachment is found.
pub fn key(owner: &Owner) -> String {
    let mut key = owner.tag().replace(", ", ",").replace(": ", ":");
    key.truncate(key.floor_char_boundary(ALTNAME_MAX));
    key
}

/// The link here that has this alternative name.
pub fn find(rtnl: &mut Rtnl, altname: &str) -> Result<Option<Link>> {
    let found = match rtnl.link_by_altname(altname) {
        // Kernels before 5.5 miss a name in the question.
        Err(error) if error.errno == Errno::EINVAL => return Ok(None),
        found => found.map_err(kernel)?,
    };
    // Kernels before 6.6 look alternative names up where they were given, although the link has moved: look again.
    let link = found.map(|link| rtnl.link_at(link.index)).transpose().map_err(kernel)?.flatten();
    Ok(link.filter(|link| link.altnames.iter().any(|name| name == altname)))
}

/// The hashes of the owner that a mark names; none for alternative names of others.
fn owner_of(name: &str) -> Option<&str> {
    let owner = tag_prefix(name)?;
    let what = name.get(owner.len()..)?;
    [",net:", ",was:", ",alias:"].iter().any(|start| what.starts_with(start)).then_some(owner)
}

fn is_key(name: &str) -> bool {
    owner_of(name).and_then(|owner| name.get(owner.len()..)).is_some_and(|what| what.starts_with(",net:"))
}

/// Text without what tools stumble over in names: octets but printable ASCII, `%` and `/` become `%` and two digits.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b'/' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

fn decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        let (before, behind) = rest.split_at(start);
        octets.extend(before.bytes());
        let octet = behind.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.extend(octet);
        rest = behind.get(if octet.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    octets.extend(rest.bytes());
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use cni::Attachment;

    use super::*;

    fn owner(id: &str) -> Owner {
        Owner::new("pods", &Attachment { container_id: id.into(), ifname: "eth0".into() })
    }

    fn marks(alias: Option<&str>) -> Marks {
        Marks { name: "enp59s0".into(), up: true, alias: alias.map(str::to_owned) }
    }

    #[test]
    fn keys_follow_from_the_attachment_and_fit() {
        let owner = owner("c1");
        assert_eq!(key(&owner), format!("{},net:pods,if:eth0,id:c1", owner.prefix()));
        let long = self::owner(&"x".repeat(200));
        assert!(key(&long).len() <= 127 && owner_of(&key(&long)) == Some(long.prefix().as_str()));
        assert!(is_key(&key(&long)));
    }

    #[test]
    fn marks_are_names_that_tools_take() {
        let odd = "to rack 7/\u{e9}\n% ".repeat(17);
        for alias in [None, Some("uplink"), Some(odd.as_str())] {
            let written = marks(alias).written(&owner("c1"));
            let is_fine = |name: &String| name.len() <= 127 && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
            assert!(written.iter().all(is_fine), "{written:?}");
            assert!(is_key(&written[0]) && written[1..].iter().all(|name| !is_key(name)));
        }
        // The longest alias (IFALIASZ), all of it to be encoded: numbers have one digit.
        assert!(marks(Some(&" ".repeat(255))).written(&owner("c1")).len() <= 12);
    }

    #[test]
    fn text_survives_being_a_name() {
        for text in ["", "uplink", "50% of /dev/x y", "\u{e9}\n\u{1}", "%%25"] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!(decode("a%zz%4"), "azz4");
    }

    #[test]
    fn only_marks_name_an_owner() {
        let owner = owner("c1");
        let prefix = owner.prefix();
        for mark in marks(Some("x")).written(&owner) {
            assert_eq!(owner_of(&mark), Some(prefix.as_str()));
        }
        for other in ["enp59s0", prefix.as_str(), &format!("{prefix},other:1"), "a,net:b"] {
            assert_eq!(owner_of(other), None, "{other}");
        }
    }
}
