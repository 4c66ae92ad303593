//! What an ADD is going to do: the configuration with its defaults, checked. Nothing here touches the kernel.

use attach::{keys, parent::Parent, upper::Upper, verify::failed};
use cni::{Error, Result};
use net::{Kind, Link, Mac, MacvlanMode};

use crate::conf::Conf;

/// The words of `mode`, the default first.
const MODES: [(&str, MacvlanMode); 4] = [
    ("bridge", MacvlanMode::Bridge),
    ("private", MacvlanMode::Private),
    ("vepa", MacvlanMode::Vepa),
    ("passthru", MacvlanMode::Passthru),
];

/// The container's link that the configuration asks for; `cni_args` is `CNI_ARGS`.
pub fn link(conf: &Conf, cni_args: &str) -> Result<Upper> {
    let mode = keys::word("mode", "macvlan mode", conf.mode.as_deref(), &MODES)?;
    Ok(Upper {
        parent: Parent::new(conf.master.as_deref(), conf.link_in_container)?,
        kind: Kind::Macvlan { mode, bc_queue_len: bc_queue_len(conf.bc_queue_len)? },
        mac: mac(conf, cni_args)?,
        mtu: keys::mtu(conf.mtu, keys::MTU_MAX, ", at most that of the master")?,
        dns: conf.dns.clone(),
    })
}

/// 0 is the kernel's choice.
fn bc_queue_len(length: Option<i64>) -> Result<Option<u32>> {
    let length = length.unwrap_or(0);
    let taken = u32::try_from(length).map(|length| Some(length).filter(|length| *length > 0));
    taken.map_err(|_| {
        Error::invalid(format!("\"bcqueuelen\" {length}: must be 0 (the kernel's choice) or 1 to {}", u32::MAX))
    })
}

/// A later source goes before an earlier: the key `mac`, `CNI_ARGS`, the capability `mac`.
fn mac(conf: &Conf, cni_args: &str) -> Result<Option<Mac>> {
    let args = cni::args::parse(cni_args, &["MAC"])?;
    keys::mac([
        ("runtimeConfig.mac", conf.runtime_config.mac.as_deref()),
        ("CNI_ARGS MAC", args.get("MAC").map(String::as_str)),
        ("\"mac\"", conf.mac.as_deref()),
    ])
}

/// Fails unless a container's link is in the mode of `wanted`.
pub fn check_mode(link: &Link, wanted: Kind) -> Result<()> {
    let word = |kind: Option<Kind>| {
        let mode = |kind| if let Kind::Macvlan { mode, .. } = kind { Some(mode) } else { None };
        let mode = kind.and_then(mode);
        MODES.iter().find(|(_, known)| Some(*known) == mode).map_or("another", |(word, _)| word)
    };
    match (word(link.data), word(Some(wanted))) {
        (is, wanted) if is == wanted => Ok(()),
        (is, wanted) => Err(failed(format!("check interface \"{}\": its mode is {is}, not {wanted}", link.name))),
    }
}

#[cfg(test)]
mod tests;
