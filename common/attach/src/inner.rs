//! A link that only the container has: what macvlan, ipvlan, vlan, dummy and tap make.
//!
//! It is made in the container's network namespace under a name that follows from the attachment, and renamed there: kernels
//! before 6.15 refuse a name that the namespace of the request has already, and the host may well have an `eth0`. Its alias is
//! the owner's tag, so that DEL finds it when the container has renamed it, and leaves alone what others have made. A link of
//! the first name without an alias is what a crash between the two has left.

use cni::{Add, Code, Del, Dns, Error, Result, Success, Undo};
use net::{Link, LinkChange, Netns};

use crate::{Ipam, Owner, container, ipam, kernel, netns, routes, tag_prefix, told, veth::existing};

/// The link to make.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct Inner<'a> {
    /// The container's network namespace.
    pub netns: &'a Netns,
    /// The kernel's word for its kind.
    pub kind: &'static str,
    /// Makes it in the container's network namespace under this name; it stays down.
    pub create: &'a mut dyn FnMut(&str) -> net::Result<()>,
    /// What the link gets with its name: name and alias are said here already.
    pub change: LinkChange,
    /// Name servers that go before those of the delegate.
    pub dns: &'a Dns,
}

/// Makes the link, gives it what the delegate hands out, if there is one, and tells of it, behind the previous result.
///
/// # Errors
/// Code 101 if the interface's name is taken in the container.
pub fn add<C>(add: &Add<C>, inner: Inner<'_>, undo: &mut Undo) -> Result<Success> {
    let Inner { netns, dns, .. } = inner;
    let ipam = Ipam::start(&add.network)?;
    create(add, inner, undo)?;
    furnish(add, netns, ipam, dns, undo)
}

/// Gives the container's interface, which is there, what the delegate hands out, if there is one, brings it up and tells of it,
/// behind the previous result.
pub fn furnish<C>(add: &Add<C>, netns: &Netns, mut ipam: Ipam, dns: &Dns, undo: &mut Undo) -> Result<Success> {
    ipam.ask(undo)?;
    let own = configure(add, netns, ipam.lease(0, dns)?)?;
    Ok(add.network.extend_prev_result(own))
}

/// Makes the link and gives it addresses, routes and name servers that are known already. What is returned tells of this link alone.
///
/// # Errors
/// Code 101 if the interface's name is taken in the container.
pub fn add_with<C>(add: &Add<C>, inner: Inner<'_>, lease: Success, undo: &mut Undo) -> Result<Success> {
    let Inner { netns, dns, .. } = inner;
    create(add, inner, undo)?;
    configure(add, netns, ipam::complete(lease, 0, dns)?)
}

/// Gives the link what is for it, brings it up, and tells of it.
fn configure<C>(add: &Add<C>, netns: &Netns, mut lease: Success) -> Result<Success> {
    routes::place_gateway(&mut lease.routes, add.network.gateway_priority);
    let wanted = container::Wanted { ips: &lease.ips, routes: &lease.routes, detect_duplicates: false, up: true };
    let mut interface = container::Interface::open(netns, &add.attachment.ifname, &wanted)?;
    let routes = interface.configure(&wanted)?;
    if !wanted.ips.is_empty() {
        interface.announce()?;
    }
    let interfaces = vec![told::interface(interface.link(), Some(add.netns.display().to_string()))];
    Ok(Success { interfaces, routes, ..lease })
}

/// Makes the link and gives it the attachment's name and its owner's tag.
fn create<C>(add: &Add<C>, inner: Inner<'_>, undo: &mut Undo) -> Result<()> {
    let Inner { netns, kind, create, change, .. } = inner;
    let (owner, ifname) = (Owner::new(&add.network.name, &add.attachment), &add.attachment.ifname);
    let mut inside = netns.rtnl().map_err(kernel)?;
    if inside.link(ifname).map_err(kernel)?.is_some() {
        return Err(taken(netns, ifname));
    }
    let first_name = first_name(&owner);
    let made = create(&first_name);
    if !made.as_ref().is_err_and(net::Error::is_exists) {
        // An error may be the kernel's answer that got lost.
        let (owner, path) = (owner.clone(), netns.path().to_owned());
        undo.push(format!("create {kind} \"{ifname}\""), move || {
            netns::open_if_there(Some(&path))?
                .map_or(Ok(()), |netns| remove(&netns, |link| is_ours(&owner, link, kind)))
        });
    }
    made.map_err(kernel)?;
    let link = existing(&mut inside, &first_name)?;
    let change = LinkChange { name: Some(ifname.clone()), alias: Some(owner.tag()), ..change };
    inside
        .set_link(&link, &change)
        .map_err(|error| if error.is_exists() { taken(netns, ifname) } else { kernel(error) })
}

/// The name that a link has before it has its own.
fn first_name(owner: &Owner) -> String {
    owner.link_names().next().unwrap_or_default()
}

fn taken(netns: &Netns, ifname: &str) -> Error {
    let place = netns.path().display();
    Error::new(Code::InUse, format!("create interface \"{ifname}\" in {place}: the name is taken"))
}

/// Removes the attachment's link of this kind, whoever made it, and whatever the container calls it now. It may have gone, and so
/// may the container.
pub fn del<C>(del: &Del<C>, kind: &str) -> Result<()> {
    let owner = Owner::new(&del.network.name, &del.attachment);
    let Some(netns) = netns::open_if_there(del.netns.as_deref())? else { return Ok(()) };
    // The reference plugins give none an alias. Its hardware address says nothing: tuning changes it, and has changed it back by now.
    let is_foreign = |link: &Link| link.is_kind(kind) && link.alias.is_none() && link.name == del.attachment.ifname;
    remove(&netns, |link| is_ours(&owner, link, kind) || is_foreign(link))
}

/// On a socket of its own: another may still have an answer to come. In a namespace of another type there is none.
fn remove(netns: &Netns, is_it: impl Fn(&Link) -> bool) -> Result<()> {
    let mut inside = match netns.rtnl() {
        Err(error) if netns::is_gone(&error) => return Ok(()),
        opened => opened.map_err(kernel)?,
    };
    let links = inside.links().map_err(kernel)?;
    let removed: Vec<Result<()>> =
        links.iter().filter(|link| is_it(link)).map(|link| inside.del_link(link.index).map_err(kernel)).collect();
    Error::collect(removed)
}

/// Whether `link` is what an ADD of the attachment has made, to its end or not.
fn is_ours(owner: &Owner, link: &Link, kind: &str) -> bool {
    link.is_kind(kind) && tag(link).map_or_else(|| link.name == first_name(owner), |tag| owner.owns(tag))
}

/// Whose a link says that it is.
fn tag(link: &Link) -> Option<&str> {
    link.alias.as_deref().filter(|alias| tag_prefix(alias).is_some())
}
