//! ADD: the device leaves the host, and comes back as it was if that fails.

use std::path::PathBuf;

use attach::{Owner, kernel, netns, veth::existing};
use cni::{Code, Error, Result, Undo};
use net::{Belongings, Link, LinkChange, Netns, Rtnl, here};

use crate::{
    home::{self, Sought},
    marks::{self, Marks},
};

/// Moves the device into the container, where it has the attachment's name and is down.
///
/// One message moves it, gives it its new name and the old one as alias: nobody sees it half way.
///
/// # Errors
/// Code 101 if the interface's name is taken in the container.
pub fn lend(host: &mut Rtnl, netns: &Netns, owner: &Owner, device: &Link, undo: &mut Undo) -> Result<()> {
    let ifname = &owner.attachment().ifname;
    let mut inside = netns.rtnl().map_err(kernel)?;
    check_movable(&mut inside, netns, device, ifname)?;
    let marks = Marks { name: device.name.clone(), up: device.up, alias: device.alias.clone() };
    let belongings = host.belongings(&here(), device).map_err(kernel)?;
    // First: what gets lost may be the kernel's answer alone.
    let lent = Lent { owner: owner.clone(), netns: netns.path().to_owned(), name: device.name.clone(), belongings };
    undo.push(format!("move \"{}\"", device.name), move || lent.take_back());
    marks.put(host, device, owner)?;
    let change = LinkChange { name: Some(ifname.clone()), alias: Some(device.name.clone()), ..LinkChange::default() };
    host.move_and_set_link(device, netns, &change)
        .map_err(|error| if error.is_exists() { taken(netns, ifname) } else { kernel(error) })?;
    confirm(&mut inside, owner, &marks)
}

/// Fails if the kernel would, before anything is done.
fn check_movable(inside: &mut Rtnl, netns: &Netns, device: &Link, ifname: &str) -> Result<()> {
    if device.loopback {
        return Err(Error::invalid(format!("move \"{}\": a loopback stays where it is", device.name)));
    }
    if inside.link(ifname).map_err(kernel)?.is_some() {
        return Err(taken(netns, ifname));
    }
    if device.altnames.iter().any(|name| name == ifname) {
        let msg = format!("move \"{}\" as \"{ifname}\": that is an alternative name of it already", device.name);
        return Err(Error::new(Code::InUse, msg));
    }
    Ok(())
}

fn taken(netns: &Netns, ifname: &str) -> Error {
    let place = netns.path().display();
    Error::new(Code::InUse, format!("create interface \"{ifname}\" in {place}: the name is taken"))
}

/// Sees to it that the device has the owner's marks and no other's: of two ADDs that wanted it at the same time, one may have taken
/// the other's for those of a crash, or have put its own beside them. From here on nobody else reaches it.
fn confirm(inside: &mut Rtnl, owner: &Owner, marks: &Marks) -> Result<()> {
    let link = existing(inside, &owner.attachment().ifname)?;
    for (other, _) in Marks::all_of(&link).filter(|(other, _)| *other != owner.prefix()) {
        marks::remove(inside, &link, &other)?;
    }
    marks.put(inside, &link, owner)
}

/// A device that has left, or is about to.
struct Lent {
    owner: Owner,
    netns: PathBuf,
    name: String,
    belongings: Belongings,
}

impl Lent {
    /// Brings it back with everything that it had.
    fn take_back(self) -> Result<()> {
        // On sockets of its own: others may still have an answer to come.
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let sought = Sought { owner: &self.owner, device: Some(&self.name), hardware: None, is_virtual: true };
        let netns = netns::open_if_there(Some(&self.netns))?;
        let was_away = netns.map_or(Ok(false), |netns| home::fetch(&mut host, &netns, &sought))?;
        let mut steps = Vec::new();
        if was_away {
            let link = existing(&mut host, &self.name)?;
            let given = host.give_back(&here(), &link, &self.belongings);
            steps.extend(given.into_iter().map(|step| step.map_err(kernel)));
        }
        steps.push(home::settle(&mut host, &self.owner));
        Error::collect(steps)
    }
}
