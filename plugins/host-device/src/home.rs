//! The way back: the device comes out of the container, and is on the host as it was.
//!
//! What remains to be done is to be seen on the device itself, by its [`Marks`], so that whoever is next goes on where a crash, the
//! reference's DEL or the end of a container has left it.

use std::{collections::BTreeSet, path::Path};

use attach::{Owner, kernel, netns::is_gone, network_hash};
use cni::{Attachment, Code, Error, Result, check_ifname};
use net::{Link, LinkChange, Netns, Rtnl};

use crate::marks::{self, Marks};

/// The plugin's own network namespace.
const HOST: &str = "/proc/self/ns/net";

/// What is known of the device of an attachment.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Whose it is.
    pub owner: &'a Owner,
    /// The name that it is given by in the configuration.
    pub device: Option<&'a str>,
    /// The hardware address that it is known by in the configuration or the previous result.
    pub hardware: Option<&'a [u8]>,
    /// Whether it may be a virtual one. Such have no place in sysfs to be given by.
    pub is_virtual: bool,
}

impl Sought<'_> {
    /// The device among the links of the container: by its marks, whatever it is called, or else as the reference plugin, which has
    /// none, leaves it: its alias is the name that it had.
    fn among<'a>(&self, links: &'a [Link]) -> Option<(&'a Link, Marks)> {
        if let Some(marked) = links.iter().find_map(|link| Some((link, Marks::of(link, self.owner)?))) {
            return Some(marked);
        }
        let unmarked: Vec<&Link> = links.iter().filter(|link| self.may_be(link)).collect();
        let ifname = &self.owner.attachment().ifname;
        let named = unmarked.iter().find(|link| link.name == *ifname);
        // One that the container has renamed.
        let known = || {
            let mut known = unmarked.iter().filter(|link| Some(link.hardware.as_slice()) == self.hardware);
            known.next().filter(|_| known.next().is_none())
        };
        let link = *named.or_else(known)?;
        Some((link, Marks { name: link.alias.clone()?, up: false, alias: None }))
    }

    fn may_be(&self, link: &Link) -> bool {
        let is_ours = |alias: &String| {
            let is_meant = |device: &str| alias == device || link.altnames.iter().any(|name| name == device);
            check_ifname(alias).is_ok() && self.device.is_none_or(is_meant)
        };
        !link.loopback
            && Marks::all_of(link).next().is_none()
            && (self.is_virtual || link.kind.is_none())
            && link.alias.as_ref().is_some_and(is_ours)
    }
}

/// Moves the device from the container to the host, with the name and the alias that it had there; it is down. Returns whether it
/// was in the container.
///
/// # Errors
/// Code 101 if the name is taken on the host. The device is as it was then.
pub fn fetch(host: &mut Rtnl, netns: &Netns, sought: &Sought<'_>) -> Result<bool> {
    let mut inside = match netns.rtnl() {
        // It is a namespace of another kind: nothing was ever moved there.
        Err(error) if is_gone(&error) => return Ok(false),
        opened => opened.map_err(kernel)?,
    };
    let links = inside.links().map_err(kernel)?;
    let Some((link, marks)) = sought.among(&links) else { return Ok(false) };
    match host.link(&marks.name).map_err(kernel)? {
        // A DEL at the same time was faster.
        Some(other) if other.altnames.contains(&marks::key(sought.owner)) => return Ok(false),
        Some(_) if !is_there(&mut inside, link)? => return Ok(false),
        Some(_) => return Err(taken(&marks.name)),
        None => {}
    }
    // From here on it is found again, whoever has lent it.
    marks.put(&mut inside, link, sought.owner)?;
    give_way(host, &mut inside, link)?;
    let is_free = |other: &Link| other.name != marks.name && !other.altnames.contains(&marks.name);
    if link.name != marks.name && links.iter().all(is_free) {
        rename(&mut inside, link, &marks.name);
    }
    let own = Netns::open(Path::new(HOST)).map_err(kernel)?;
    let change = LinkChange {
        name: Some(marks.name.clone()),
        alias: Some(marks.alias.clone().unwrap_or_default()),
        ..LinkChange::default()
    };
    match inside.move_and_set_link(link, &own, &change) {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => {
            put_back(&mut inside, link);
            Err(if error.is_exists() { taken(&marks.name) } else { kernel(error) })
        }
    }
}

fn taken(name: &str) -> Error {
    Error::new(Code::InUse, format!("return device \"{name}\": the name is taken on the host"))
}

fn is_there(inside: &mut Rtnl, link: &Link) -> Result<bool> {
    let now = inside.link_at(link.index).map_err(kernel)?;
    Ok(now.is_some_and(|now| now.hardware == link.hardware && now.kind == link.kind))
}

/// Drops alternative names that the container has given it and the host has, as the kernel itself does when the container ends
/// (`default_device_exit_net`, `net/core/dev.c`): they would keep it from leaving.
fn give_way(host: &mut Rtnl, inside: &mut Rtnl, link: &Link) -> Result<()> {
    for name in link.altnames.iter().filter(|name| attach::tag_prefix(name).is_none()) {
        if marks::find(host, name)?.is_some() || host.link(name).is_ok_and(|found| found.is_some()) {
            inside.del_altname(link, name).map_err(kernel)?;
        }
    }
    Ok(())
}

/// Gives it its name before it leaves: nobody on the host is to see it under another one, and take it for a new device. Where that
/// fails, the move does it.
fn rename(inside: &mut Rtnl, link: &Link, name: &str) {
    // Kernels before 6.2 rename only what is down.
    let down = LinkChange { up: Some(false), ..LinkChange::default() };
    let named = LinkChange { name: Some(name.to_owned()), ..LinkChange::default() };
    let renamed = inside.set_link(link, &down).and_then(|()| inside.set_link(link, &named));
    if let Err(error) = renamed {
        log::info!("{error}");
    }
}

/// The container keeps it: it has the name that it had, and is up if it was.
fn put_back(inside: &mut Rtnl, link: &Link) {
    let named = LinkChange { name: Some(link.name.clone()), ..LinkChange::default() };
    let up = LinkChange { up: Some(link.up), ..LinkChange::default() };
    for change in [named, up] {
        if let Err(error) = inside.set_link(link, &change) {
            log::warn!("{error}");
        }
    }
}

/// Finishes the return of the device of an attachment that is on the host, if there is one.
pub fn settle(host: &mut Rtnl, owner: &Owner) -> Result<()> {
    match marks::find(host, &marks::key(owner))? {
        Some(link) => settle_link(host, &link, &owner.prefix(), Marks::of(&link, owner)),
        None => Ok(()),
    }
}

/// Finishes the return of a device, whoever had it, and tells it as it is now.
pub fn settle_all(host: &mut Rtnl, link: Link) -> Result<Link> {
    let mut is_changed = false;
    for (owner, marks) in Marks::all_of(&link) {
        settle_link(host, &link, &owner, marks)?;
        is_changed = true;
    }
    if !is_changed {
        return Ok(link);
    }
    let now = host.link_at(link.index).map_err(kernel)?;
    now.ok_or_else(|| Error::new(Code::Kernel, format!("find device \"{}\": it has gone", link.name)))
}

/// Finishes the return of devices that attachments of `network` had that are not in `keep`: their containers have ended, and the
/// kernel has taken back what is hardware.
pub fn settle_garbage(host: &mut Rtnl, network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let kept: BTreeSet<String> = keep.iter().map(|attachment| Owner::new(network, attachment).prefix()).collect();
    let hash = network_hash(network);
    let links = host.links().map_err(kernel)?;
    let mut steps = Vec::new();
    for link in &links {
        for (owner, marks) in Marks::all_of(link).filter(|(owner, _)| owner.starts_with(&hash) && !kept.contains(owner))
        {
            steps.push(settle_link(host, link, &owner, marks));
        }
    }
    Error::collect(steps)
}

/// The marks go last: until then it is seen that there is something to do.
fn settle_link(host: &mut Rtnl, link: &Link, owner: &str, marks: Option<Marks>) -> Result<()> {
    if let Some(marks) = marks {
        give_name_back(host, link, &marks)?;
        if marks.up && !link.up {
            set(host, link, LinkChange { up: Some(true), ..LinkChange::default() })?;
        }
    }
    marks::remove(host, link, owner)
}

/// A device that the kernel has taken back is called as the container called it, or `dev` and a number, and has its old name as
/// alias. One whose alias is another by now has it from somebody on the host.
fn give_name_back(host: &mut Rtnl, link: &Link, marks: &Marks) -> Result<()> {
    let is_ours = link.alias.as_ref().is_none_or(|alias| *alias == marks.name);
    let alias = (is_ours && link.alias != marks.alias).then(|| marks.alias.clone().unwrap_or_default());
    if link.name == marks.name {
        let change = LinkChange { alias, ..LinkChange::default() };
        return if change == LinkChange::default() { Ok(()) } else { set(host, link, change) };
    }
    if host.link(&marks.name).map_err(kernel)?.is_some() {
        return Err(taken(&marks.name));
    }
    if link.up {
        set(host, link, LinkChange { up: Some(false), ..LinkChange::default() })?;
    }
    set(host, link, LinkChange { name: Some(marks.name.clone()), alias, ..LinkChange::default() })
}

/// It may have gone again: whoever has it has settled it before.
fn set(host: &mut Rtnl, link: &Link, change: LinkChange) -> Result<()> {
    host.set_link(link, &change).or_else(|error| if error.is_not_found() { Ok(()) } else { Err(kernel(error)) })
}
