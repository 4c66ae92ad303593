//! What an ADD is going to do: the configuration with its defaults, checked. Nothing here touches the kernel.

use attach::{keys, verify::failed};
use cni::{Error, Result};
use net::{Link, Mac, Tap};

use crate::conf::Conf;

/// The largest MTU of a tap: a frame has 65535 octets, and begins with a header of 14 (`tun_net_init`, `drivers/net/tun.c`).
const MTU_MAX: u32 = 65521;
/// The largest number of a user or a group; the one above is nobody's (credentials(7)).
const ID_MAX: u32 = u32::MAX - 1;

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who may open the tap, and how often.
    pub tap: Tap,
    /// Its hardware address; unset is a random one.
    pub mac: Option<Mac>,
    /// Its MTU; unset is the kernel's choice.
    pub mtu: Option<u32>,
    /// The bridge of the container that it becomes a port of.
    pub bridge: Option<String>,
    /// The SELinux context that it belongs to; unset is the plugin's.
    pub context: Option<String>,
}

impl Plan {
    /// Checks the configuration; `cni_args` is `CNI_ARGS`.
    pub fn new(conf: &Conf, cni_args: &str) -> Result<Self> {
        let args = cni::args::parse(cni_args, &["MAC"])?;
        let macs = [
            ("runtimeConfig.mac", conf.runtime_config.mac.as_deref()),
            ("CNI_ARGS MAC", args.get("MAC").map(String::as_str)),
            ("\"mac\"", conf.mac.as_deref()),
        ];
        let tap =
            Tap { owner: id("owner", conf.owner)?, group: id("group", conf.group)?, multi_queue: conf.multi_queue };
        Ok(Self {
            tap,
            mac: keys::mac(macs)?,
            mtu: keys::mtu(conf.mtu, MTU_MAX, "")?,
            bridge: conf.bridge.as_deref().map(|name| keys::link_name("bridge", name)).transpose()?,
            context: conf.selinux_context.as_deref().map(context).transpose()?,
        })
    }

    /// Fails unless `link`, which is a tap, is the one that is asked for, and a port of `bridge`. Its MTU may be a later plugin's.
    pub fn check(&self, link: &Link, bridge: Option<&Link>) -> Result<()> {
        let wrong = |what: String| Err(failed(format!("check interface \"{}\": {what}", link.name)));
        let is = link.tap.unwrap_or_default();
        for (whose, is, wanted) in [("owner", is.owner, self.tap.owner), ("group", is.group, self.tap.group)] {
            if is != wanted {
                return wrong(format!("its {whose} is {}, not {}", shown(is), shown(wanted)));
            }
        }
        if is.multi_queue != self.tap.multi_queue {
            let queues = |multi| if multi { "several queues" } else { "one queue" };
            return wrong(format!("it has {}, not {}", queues(is.multi_queue), queues(self.tap.multi_queue)));
        }
        match bridge {
            Some(bridge) if link.master != Some(bridge.index) => {
                wrong(format!("it is not a port of bridge \"{}\"", bridge.name))
            }
            _ => Ok(()),
        }
    }
}

fn shown(id: Option<u32>) -> String {
    id.map_or("unset".to_owned(), |id| id.to_string())
}

fn id(key: &str, id: Option<i64>) -> Result<Option<u32>> {
    let Some(id) = id else { return Ok(None) };
    let number = u32::try_from(id).ok().filter(|id| *id <= ID_MAX);
    number.map(Some).ok_or_else(|| Error::invalid(format!("\"{key}\" {id}: must be a number from 0 to {ID_MAX}")))
}

/// The policy knows what a context is; what ends it early would be taken for another one.
fn context(context: &str) -> Result<String> {
    if context.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid(format!(
            "\"selinuxContext\" \"{context}\": must be a context like system_u:system_r:container_t:s0"
        )));
    }
    Ok(context.to_owned())
}

#[cfg(test)]
mod tests;
