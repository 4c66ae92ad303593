//! The kernel's side: reading, changing, giving back and comparing.

use std::{path::Path, sync::Arc};

use attach::{kernel, netns::is_gone, verify::failed, veth::existing};
use cni::{Error, Result, Success, Undo};
use net::{Errno, Inside, Link, Netns, Rtnl, sysctl};

use crate::{
    plan::{Place, Tuning},
    record::{Identity, Record},
    setting::Setting,
    sysctl::Sysctl,
};

/// A link and its network namespace.
#[derive(Debug)]
pub struct Container {
    netns: Arc<Netns>,
    rtnl: Rtnl,
    link: Link,
}

impl Container {
    /// Opens the interface `ifname` of the network namespace at `path`.
    pub fn open(path: &Path, ifname: &str) -> Result<Self> {
        let netns = Netns::open(path).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let link = existing(&mut rtnl, ifname).map_err(|error| error.context(path.display()))?;
        Ok(Self { netns: Arc::new(netns), rtnl, link })
    }

    /// What tells it from others.
    pub fn identity(&self) -> Result<Identity> {
        Ok(Identity { netns: self.netns.inode().map_err(kernel)?, link: self.link.index })
    }

    /// What there is of what is `wanted`. Sysctls that can only be written, like `net.ipv4.route.flush`, have no value.
    pub fn present(&self, wanted: &Tuning) -> Result<Tuning> {
        let settings = wanted.settings.iter().filter_map(|setting| setting.of(&self.link)).collect();
        let read = |inside: &Inside<'_>| {
            wanted.sysctls.iter().filter_map(|sysctl| value(inside, sysctl).transpose()).collect::<Result<_>>()
        };
        let sysctls = if wanted.sysctls.is_empty() { Vec::new() } else { self.netns.enter(read).map_err(kernel)?? };
        Ok(Tuning { settings, sysctls })
    }

    /// Makes everything as `wanted`; `present` is how it is.
    pub fn tune(&mut self, wanted: &Tuning, present: Tuning, undo: &mut Undo) -> Result<()> {
        let (netns, index) = (Arc::clone(&self.netns), self.link.index);
        // First: what gets lost may be the kernel's answer alone.
        undo.push(format!("tune \"{}\"", self.link.name), move || {
            let link = netns.rtnl().and_then(|mut rtnl| rtnl.link_at(index)).map_err(kernel)?;
            Error::collect(give_back(&netns, link.as_ref(), &present).into_iter().map(|step| step.map_err(kernel)))
        });
        if !wanted.sysctls.is_empty() {
            let set = |inside: &Inside<'_>| set_sysctls(inside, wanted.sysctls.iter());
            self.netns.enter(set).map_err(kernel)?.into_iter().try_for_each(|done| done.map_err(kernel))?;
        }
        for setting in wanted.settings.iter().filter(|setting| setting.of(&self.link) != Some(**setting)) {
            set(&mut self.rtnl, &self.link, *setting).map_err(kernel)?;
        }
        Ok(())
    }

    /// Fails unless everything is as `wanted`, or as the whole result tells: a later plugin may have changed it again.
    pub fn check(&self, wanted: &Tuning, result: &Success, place: Place<'_>) -> Result<()> {
        let present = self.present(wanted)?;
        let differs = |key: &str, found: &str, wanted: &str| {
            failed(format!("check \"{key}\" of interface \"{}\": it is {found}, not {wanted}", self.link.name))
        };
        for setting in &wanted.settings {
            let found = setting.of(&self.link);
            if found != Some(*setting) && !found.is_some_and(|found| place.is_told(result, found)) {
                let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
                return Err(differs(setting.key(), &found, &setting.to_string()));
            }
        }
        for sysctl in &wanted.sysctls {
            let found = present.sysctls.iter().find(|found| found.path == sysctl.path);
            if let Some(found) = found.filter(|found| !sysctl::is_same(&found.value, &sysctl.value)) {
                return Err(differs(&sysctl.key, &format!("{:?}", found.value), &format!("{:?}", sysctl.value)));
            }
        }
        Ok(())
    }
}

/// Gives back what `record` has of a container: all that is still there and the same.
///
/// # Errors
/// What may succeed the next time. What the kernel refuses for good is left as it is: nothing else would ever end a
/// container.
pub fn restore(path: &Path, ifname: &str, record: &Record) -> Result<()> {
    match find(path, ifname, record) {
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => Err(kernel(error)),
        Ok(None) => Ok(()),
        Ok(Some((netns, link))) => {
            let name = link.as_ref().map_or(ifname, |link| &link.name);
            let mut before = record.before(name);
            if link.is_none() {
                before.sysctls.retain(|sysctl| !sysctl.is_of(ifname));
            }
            Error::collect(give_back(&netns, link.as_ref(), &before).into_iter().map(|step| match step {
                Err(error) if is_final(error.errno) => {
                    log::warn!("{error}; it stays");
                    Ok(())
                }
                step => step.map_err(kernel),
            }))
        }
    }
}

/// The namespace, if it is the one that the record is about, and the link, if it is in there. The reference's records
/// do not tell.
fn find(path: &Path, ifname: &str, record: &Record) -> net::Result<Option<(Netns, Option<Link>)>> {
    let netns = Netns::open(path)?;
    let inode = netns.inode()?;
    if record.netns().is_some_and(|recorded| recorded != inode) {
        return Ok(None);
    }
    let mut rtnl = netns.rtnl()?;
    let link = match record.link() {
        Some(index) => rtnl.link_at(index)?,
        None => rtnl.link(ifname)?,
    };
    Ok(Some((netns, link)))
}

/// Puts everything back to how it was, in reverse order. Tries all of it.
fn give_back(netns: &Netns, link: Option<&Link>, before: &Tuning) -> Vec<net::Result<()>> {
    let mut steps = Vec::new();
    if let Some(link) = link {
        match netns.rtnl() {
            Ok(mut rtnl) => {
                let changed = before.settings.iter().rev().filter(|setting| setting.of(link) != Some(**setting));
                steps.extend(changed.map(|setting| set(&mut rtnl, link, *setting)));
            }
            Err(error) => steps.push(Err(error)),
        }
    }
    if !before.sysctls.is_empty() {
        match netns.enter(|inside| set_sysctls(inside, before.sysctls.iter().rev())) {
            Ok(set) => steps.extend(set),
            Err(error) => steps.push(Err(error)),
        }
    }
    steps
}

fn set(rtnl: &mut Rtnl, link: &Link, setting: Setting) -> net::Result<()> {
    rtnl.set_link(link, &setting.change()).map_err(|error| net::Error {
        doing: format!("set \"{}\" of interface \"{}\" to {setting}", setting.key(), link.name),
        ..error
    })
}

/// Sets them one after the other, and then those again that others have changed: `ip_forward` sets what is redirected.
fn set_sysctls<'a>(inside: &Inside<'_>, sysctls: impl Iterator<Item = &'a Sysctl> + Clone) -> Vec<net::Result<()>> {
    let ensure = |sysctl: &Sysctl| sysctl::ensure(inside, &sysctl.path, &sysctl.value);
    let first: Vec<_> = sysctls.clone().map(ensure).collect();
    let second = sysctls.zip(&first).filter(|(_, done)| done.is_ok()).map(|(sysctl, _)| ensure(sysctl));
    let second: Vec<_> = second.filter(net::Result::is_err).collect();
    first.into_iter().chain(second).collect()
}

/// A sysctl with the value that it has; none if it cannot be read, by anybody.
fn value(inside: &Inside<'_>, sysctl: &Sysctl) -> Result<Option<Sysctl>> {
    match sysctl::get(inside, &sysctl.path) {
        Ok(value) => Ok(Some(Sysctl { value, ..sysctl.clone() })),
        Err(error) if error.errno == Errno::EACCES => Ok(None),
        Err(error) => Err(kernel(error)),
    }
}

/// Whether an error will be the same the next time.
fn is_final(errno: Errno) -> bool {
    const FINAL: [Errno; 11] = [
        Errno::EPERM,
        Errno::ENOENT,
        Errno::EACCES,
        Errno::EBUSY,
        Errno::ENODEV,
        Errno::EINVAL,
        Errno::EROFS,
        Errno::ERANGE,
        Errno::EOPNOTSUPP,
        Errno::EADDRNOTAVAIL,
        Errno::ESRCH,
    ];
    FINAL.contains(&errno)
}
