//! What an ADD is going to do: the configuration with its defaults, checked. Nothing here touches the kernel.

use attach::{keys, parent::Parent, upper::Upper, verify::failed};
use cni::{Error, Result, Success};
use net::{IpvlanFlag, IpvlanMode, Kind, Link};

use crate::{chained, conf::Conf};

/// The words of `mode`, the default first.
const MODES: [(&str, IpvlanMode); 3] = [("l2", IpvlanMode::L2), ("l3", IpvlanMode::L3), ("l3s", IpvlanMode::L3s)];

/// The words of `flag`, the default first.
const FLAGS: [(&str, IpvlanFlag); 3] =
    [("bridge", IpvlanFlag::Bridge), ("private", IpvlanFlag::Private), ("vepa", IpvlanFlag::Vepa)];

/// Where the link's addresses come from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The delegate hands them out.
    Delegate,
    /// This result of the plugin before has them.
    Previous(&'a Success),
}

/// The container's link that the configuration asks for, on the master that it names.
pub fn link(conf: &Conf) -> Result<Upper> {
    let mode = keys::word("mode", "ipvlan mode", conf.mode.as_deref(), &MODES)?;
    let flag = keys::word("flag", "ipvlan flag", conf.flag.as_deref(), &FLAGS)?;
    Ok(Upper {
        parent: Parent::new(conf.master.as_deref(), conf.link_in_container)?,
        kind: Kind::Ipvlan { mode, flag },
        mac: None,
        mtu: keys::mtu(conf.mtu, keys::MTU_MAX, ", at most that of the master")?,
        dns: conf.dns.clone(),
    })
}

/// The same for an ADD behind another plugin: without a name it is on the interface that this one has made.
pub fn link_behind(conf: &Conf, prev: Option<&Success>) -> Result<Upper> {
    let mut wanted = link(conf)?;
    if let (None, Some(prev)) = (&wanted.parent.name, prev) {
        wanted.parent = Parent::new(Some(chained::master(prev)?), conf.link_in_container)?;
    }
    Ok(wanted)
}

impl<'a> Source<'a> {
    /// The delegate, if there is one; else the previous result.
    pub fn new(has_ipam: bool, prev: Option<&'a Success>) -> Result<Self> {
        if has_ipam {
            return Ok(Self::Delegate);
        }
        let prev = prev.filter(|prev| !chained::lease(prev).ips.is_empty());
        prev.map(Self::Previous).ok_or_else(|| {
            Error::invalid("\"ipam\" is missing: it must name a plugin, unless a prevResult has addresses for the link")
        })
    }
}

/// Fails unless a container's link has the mode and the flag of `wanted`, which are those of its parent.
pub fn check_mode(link: &Link, wanted: Kind) -> Result<()> {
    match (words(link.data), words(Some(wanted))) {
        (is, wanted) if is == wanted => Ok(()),
        ([mode, flag], [wanted, wanted_flag]) => Err(failed(format!(
            "check interface \"{}\": its mode is {mode} {flag}, not {wanted} {wanted_flag}",
            link.name
        ))),
    }
}

/// The words of a link's mode and flag.
fn words(kind: Option<Kind>) -> [&'static str; 2] {
    let Some(Kind::Ipvlan { mode, flag }) = kind else { return ["unknown", ""] };
    [word(&MODES, mode), word(&FLAGS, flag)]
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("unknown", |(word, _)| word)
}

#[cfg(test)]
mod tests;
