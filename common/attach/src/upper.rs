//! A link of the container that is on another link, its [parent](crate::parent): what macvlan, ipvlan and vlan make.

use std::path::Path;

use cni::{Add, Check, Code, Dns, Error, Result, Success, Undo};
use net::{Errno, IpvlanFlag, Kind, Link, LinkChange, LinkSpec, Mac, MacvlanMode, Netns, Rtnl, here};

use crate::{
    inner::{self, Inner},
    kernel, keys, not_ready,
    parent::{Parent, Place},
    verify,
    veth::existing,
};

/// The link to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upper {
    /// What it is on.
    pub parent: Parent,
    /// What it is.
    pub kind: Kind,
    /// Its hardware address; unset is the kernel's choice.
    pub mac: Option<Mac>,
    /// Its MTU in bytes, at most that of its parent; unset is the parent's.
    pub mtu: Option<u32>,
    /// Name servers that go before those of the delegate.
    pub dns: Dns,
}

impl Upper {
    /// Makes the link with what the delegate hands out, if there is one, and tells of it, behind the previous result.
    ///
    /// # Errors
    /// Code 100 if the parent is not there or is of no use, 7 if its MTU is smaller, 101 if the interface's name is taken in the
    /// container, or the VLAN on the parent.
    pub fn add<C>(&self, add: &Add<C>, undo: &mut Undo) -> Result<Success> {
        self.inside(&add.netns, |inner| inner::add(add, inner, undo))
    }

    /// The same with addresses, routes and name servers that are known already. What is returned tells of this link alone.
    pub fn add_with<C>(&self, add: &Add<C>, lease: Success, undo: &mut Undo) -> Result<Success> {
        self.inside(&add.netns, |inner| inner::add_with(add, inner, lease, undo))
    }

    /// Has `add` make it in the network namespace at `path`.
    fn inside(&self, path: &Path, add: impl FnOnce(Inner<'_>) -> Result<Success>) -> Result<Success> {
        let netns = Netns::open(path).map_err(kernel)?;
        let mut below = self.parent.rtnl(&netns)?;
        let parent = self.parent.find(&mut below)?;
        self.check_parent(&parent)?;
        add(Inner {
            netns: &netns,
            kind: self.kind.name(),
            create: &mut |name| self.create(&mut below, &parent, &netns, name),
            change: LinkChange { mac: self.late_mac(), ..LinkChange::default() },
            dns: &self.dns,
        })
    }

    fn create(&self, below: &mut Rtnl, parent: &Link, netns: &Netns, name: &str) -> net::Result<()> {
        let spec = LinkSpec {
            parent: Some(parent.index),
            mac: self.mac,
            mtu: self.mtu,
            netns: (self.parent.place == Place::Host).then_some(netns),
            ..LinkSpec::new(name, self.kind)
        };
        below.add_link(&spec).and_then(|()| self.check_flag(netns, name)).map_err(|error| self.explain(error, parent))
    }

    /// All ipvlan links on one parent have the same flag, that of the last one that said something. Nothing is said for
    /// `bridge`, lest others' links that are kept apart get together, and here it shows whether there are such.
    fn check_flag(&self, netns: &Netns, name: &str) -> net::Result<()> {
        let Kind::Ipvlan { flag: IpvlanFlag::Bridge, .. } = self.kind else { return Ok(()) };
        match netns.rtnl()?.link(name)?.and_then(|link| link.data) {
            Some(Kind::Ipvlan { flag: IpvlanFlag::Private | IpvlanFlag::Vepa, .. }) => Err(net::Error {
                extack: Some(
                    "links that are on it have another flag than bridge, which would be this one's too".into(),
                ),
                ..net::Error::new(String::new(), Errno::EBUSY)
            }),
            _ => Ok(()),
        }
    }

    /// The name that the link has for a moment tells nobody anything.
    fn explain(&self, error: net::Error, parent: &Link) -> net::Error {
        let doing = match self.kind {
            // What exists is the VLAN of the parent, which can be there once.
            Kind::Vlan { id } => format!("create vlan {id} on \"{}\"", parent.name),
            _ if error.is_exists() => return error,
            kind => format!("create {} on \"{}\"", kind.name(), parent.name),
        };
        let hint = match (error.errno, self.kind) {
            (Errno::EBUSY, _) => Some("its frames go to a bridge, a bond or links of another kind"),
            (Errno::EINVAL, Kind::Macvlan { .. }) => {
                Some("it has to be an Ethernet link; in mode passthru a link has it for itself")
            }
            _ => None,
        };
        net::Error { doing, extack: error.extack.or_else(|| hint.map(str::to_owned)), ..error }
    }

    /// In mode passthru the kernel gives the link its parent's hardware address, whatever it was told (`macvlan_common_newlink`).
    /// Another has to be set once it is there, and is the parent's then, until the link goes.
    fn late_mac(&self) -> Option<Mac> {
        self.mac.filter(|_| matches!(self.kind, Kind::Macvlan { mode: MacvlanMode::Passthru, .. }))
    }

    /// What is on a parent with a smaller MTU, or a VLAN on one that is down, would not come up.
    fn check_parent(&self, parent: &Link) -> Result<()> {
        if matches!(self.kind, Kind::Vlan { .. }) && !parent.up {
            return Err(Error::new(Code::Kernel, format!("create vlan on \"{}\": that link is down", parent.name)));
        }
        keys::mtu(self.mtu.map(i64::from), parent.mtu, &format!(", the MTU of \"{}\"", parent.name)).map(drop)
    }

    /// Fails unless the container has the link as the previous result tells of it, on its parent. Returns it.
    pub fn check<C>(&self, check: &Check<C>) -> Result<Link> {
        let prev = check.network.required_prev_result()?;
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let ifname = &check.attachment.ifname;
        verify::interface(&netns, prev, ifname, self.kind.name())?;
        let link = existing(&mut netns.rtnl().map_err(kernel)?, ifname)?;
        self.parent.check(&netns, &link)?;
        Ok(link)
    }

    /// Fails with code 50 unless the parent is there. One in containers there cannot be yet.
    pub fn status(&self) -> Result<()> {
        if self.parent.place == Place::Container {
            return Ok(());
        }
        let parent = Rtnl::open(&here()).map_err(kernel).and_then(|mut host| self.parent.find(&mut host));
        parent.and_then(|parent| self.check_parent(&parent)).map_err(not_ready)
    }
}
