//! The link that a container's link is made on (`master` in configurations).

use cni::{Code, Error, Result, check_ifname};
use net::{Link, LinkIndex, MAIN_TABLE, Netns, Route, Rtnl, here};

use crate::{kernel, verify::failed};

/// Which link that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its name; unset is the link that the default route leads to.
    pub name: Option<String>,
    /// Where it is.
    pub place: Place,
}

/// A network namespace with a parent in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The plugin's own.
    Host,
    /// The container's (`linkInContainer`).
    Container,
}

impl Parent {
    /// The parent that the keys `master` and `linkInContainer` say.
    ///
    /// # Errors
    /// Code 7 for what is no name of a link.
    pub fn new(master: Option<&str>, link_in_container: bool) -> Result<Self> {
        let name = master.filter(|name| !name.is_empty()).map(str::to_owned);
        if let Some(name) = &name {
            check_ifname(name).map_err(|error| Error::invalid(format!("\"master\" \"{name}\": {}", error.msg)))?;
        }
        Ok(Self { name, place: if link_in_container { Place::Container } else { Place::Host } })
    }

    /// A socket to where it is.
    pub fn rtnl(&self, netns: &Netns) -> Result<Rtnl> {
        match self.place {
            Place::Host => Rtnl::open(&here()),
            Place::Container => netns.rtnl(),
        }
        .map_err(kernel)
    }

    /// Looks for it.
    ///
    /// # Errors
    /// Code 100 if it is not there.
    pub fn find(&self, rtnl: &mut Rtnl) -> Result<Link> {
        find(rtnl, self.name.as_deref())
    }

    /// Fails unless the container's `link` is on it. Without a name any link will do: the default route may lead elsewhere by now.
    pub fn check(&self, netns: &Netns, link: &Link) -> Result<()> {
        let wrong = |why: String| Err(failed(format!("check interface \"{}\": {why}", link.name)));
        let Some(name) = &self.name else { return Ok(()) };
        let Some(parent) = self.rtnl(netns)?.link(name).map_err(kernel)? else {
            return wrong(format!("its master \"{name}\" has gone"));
        };
        if is_on(link, &parent, self.place) { Ok(()) } else { wrong(format!("it is not on \"{name}\"")) }
    }
}

/// Whether `link`, of the container, is on `parent`. Some kernels do not tell the number of the link below if it is the link's own.
///
/// On a link of its own kind it is where that one is on: the kernel makes a layer of them (`macvlan_common_newlink`,
/// `ipvlan_link_new`).
fn is_on(link: &Link, parent: &Link, place: Place) -> bool {
    let below = |link: &Link| link.parent().unwrap_or(link.index);
    let is_same_kind = matches!(link.kind.as_deref(), Some("macvlan" | "ipvlan")) && link.kind == parent.kind;
    let (index, is_elsewhere): (LinkIndex, bool) = match (is_same_kind, place) {
        (true, Place::Host) => (below(parent), true),
        (true, Place::Container) => (below(parent), parent.peer_elsewhere),
        (false, place) => (parent.index, place == Place::Host),
    };
    below(link) == index && link.peer_elsewhere == is_elsewhere
}

/// The link `name`, or else the one that the first default route leads to.
///
/// # Errors
/// Code 100 if there is none.
pub fn find(rtnl: &mut Rtnl, name: Option<&str>) -> Result<Link> {
    let missing = |msg: String| Error::new(Code::Kernel, msg);
    if let Some(name) = name {
        let found = rtnl.link(name).map_err(kernel)?;
        return found.ok_or_else(|| missing(format!("find \"master\" \"{name}\": there is no link of that name")));
    }
    let routes = rtnl.routes().map_err(kernel)?;
    let is_default = |route: &&Route| route.table == MAIN_TABLE && route.dst.prefix() == 0;
    let preferred = routes.iter().filter(is_default).min_by_key(|route| route.metric.unwrap_or(0));
    let link = preferred.map(|route| rtnl.link_at(route.link)).transpose().map_err(kernel)?.flatten();
    link.ok_or_else(|| missing("find \"master\": no default route interface found, name a link".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, kind: &str, on: Option<u32>, is_elsewhere: bool) -> Link {
        Link {
            index: LinkIndex(index),
            name: format!("link{index}"),
            kind: Some(kind.to_owned()),
            peer: on.map(LinkIndex),
            peer_elsewhere: is_elsewhere,
            ..Link::default()
        }
    }

    #[test]
    fn link_is_on_the_parent_of_its_number_and_place() {
        let parent = link(5, "veth", Some(9), true);
        let on = |index, is_elsewhere| link(7, "macvlan", Some(index), is_elsewhere);
        assert!(is_on(&on(5, true), &parent, Place::Host) && is_on(&on(5, false), &parent, Place::Container));
        assert!(!is_on(&on(6, true), &parent, Place::Host) && !is_on(&on(5, false), &parent, Place::Host));
        assert!(!is_on(&on(5, true), &parent, Place::Container));
        assert!(
            is_on(&link(5, "macvlan", None, true), &parent, Place::Host),
            "the kernel does not tell its own number"
        );
    }

    #[test]
    fn link_on_one_of_its_own_kind_is_on_that_ones_parent() {
        let on_host = link(5, "macvlan", Some(2), false);
        assert!(is_on(&link(7, "macvlan", Some(2), true), &on_host, Place::Host));
        assert!(!is_on(&link(7, "vlan", Some(2), true), &on_host, Place::Host));
        let inside = link(3, "ipvlan", Some(2), true);
        assert!(is_on(&link(7, "ipvlan", Some(2), true), &inside, Place::Container));
    }

    #[test]
    fn what_is_no_name_of_a_link_is_refused() {
        assert_eq!(Parent::new(Some(""), true), Ok(Parent { name: None, place: Place::Container }));
        let error = Parent::new(Some("sixteen-octets-0"), false).unwrap_err();
        assert!(error.msg.starts_with("\"master\" \"sixteen-octets-0\": "), "{error}");
    }
}
