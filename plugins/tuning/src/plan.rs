//! What is going to be changed: the configuration with its defaults, checked. Nothing here touches the kernel.

use cni::{Error, Result, Success};
use net::Mac;

use crate::{
    conf::{Conf, Pairs},
    setting::Setting,
    sysctl::Sysctl,
};

/// The range of MTUs in bytes that any link may have (`ETH_MIN_MTU`, `ETH_MAX_MTU`, `if_ether.h`); the kernel knows what
/// this one may.
const MTUS: std::ops::RangeInclusive<i64> = 68..=65535;
/// Below it the kernel takes IPv6, addresses and all, from a link (`IPV6_MIN_MTU`, `ipv6.h`).
const IPV6_MIN_MTU: u32 = 1280;

/// Settings of a link and sysctls of its network namespace: those that are wanted, or those that were there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuning {
    /// The link's, in the order in which they are set.
    pub settings: Vec<Setting>,
    /// The namespace's, in the configuration's order, which is that in which they are set.
    pub sysctls: Vec<Sysctl>,
}

/// An interface of the container.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its name.
    pub ifname: &'a str,
    /// `CNI_NETNS`, as results tell it.
    pub sandbox: &'a str,
}

impl Tuning {
    /// Checks the configuration; `cni_args` is `CNI_ARGS`. `args.cni` goes before the keys of the same names.
    pub fn new(conf: &Conf, cni_args: &str, ifname: &str) -> Result<Self> {
        let args = &conf.args.cni;
        let settings = [
            mac(conf, cni_args)?.map(Setting::Mac),
            args.promisc.or(conf.promisc).filter(|on| *on).map(Setting::Promisc),
            mtu(args.mtu.or(conf.mtu))?.map(Setting::Mtu),
            args.allmulti.or(conf.allmulti).map(Setting::Allmulti),
            tx_queue_len(args.tx_q_len.or(conf.tx_q_len))?.map(Setting::TxQueueLen),
        ];
        let mut sysctls = sysctls("sysctl", &conf.sysctl, ifname)?;
        for sysctl in self::sysctls("args.cni.sysctl", &args.sysctl, ifname)? {
            match sysctls.iter_mut().find(|other| other.path == sysctl.path) {
                Some(other) => *other = sysctl,
                None => sysctls.push(sysctl),
            }
        }
        Ok(Self { settings: settings.into_iter().flatten().collect(), sysctls })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.sysctls.is_empty()
    }

    /// Fails if the interface would lose addresses that the previous result tells of: the kernel would take them away
    /// without a word, and nothing would bring them back.
    pub fn check_addresses(&self, prev: &Success, place: Place<'_>) -> Result<()> {
        let Some(mtu) = self.mtu().filter(|mtu| *mtu < IPV6_MIN_MTU) else { return Ok(()) };
        let is_own = |ip: &cni::IpConfig| prev.interface_of(ip).is_none_or(|interface| place.is_of(interface));
        match prev.ips.iter().find(|ip| ip.address.is_ipv6() && is_own(ip)) {
            None => Ok(()),
            Some(ip) => Err(Error::invalid(format!(
                "\"mtu\" {mtu}: must be {IPV6_MIN_MTU} or more for an interface with the IPv6 address {}",
                ip.address
            ))),
        }
    }

    /// The previous result with what has been changed of the container's interface.
    pub fn result(&self, prev: &Success, place: Place<'_>) -> Success {
        let mut result = prev.clone();
        for interface in result.interfaces.iter_mut().filter(|interface| place.is_of(interface)) {
            interface.mac = self.mac().map(|mac| mac.to_string()).or_else(|| interface.mac.take());
            interface.mtu = self.mtu().or(interface.mtu);
        }
        result
    }

    fn mac(&self) -> Option<Mac> {
        self.settings.iter().find_map(|setting| if let Setting::Mac(mac) = setting { Some(*mac) } else { None })
    }

    fn mtu(&self) -> Option<u32> {
        self.settings.iter().find_map(|setting| if let Setting::Mtu(mtu) = setting { Some(*mtu) } else { None })
    }
}

impl Place<'_> {
    /// Whether a result tells that the interface has this.
    pub fn is_told(self, result: &Success, has: Setting) -> bool {
        result.interfaces.iter().filter(|interface| self.is_of(interface)).any(|interface| match has {
            Setting::Mac(mac) => interface.mac.as_deref().and_then(|text| text.parse().ok()) == Some(mac),
            Setting::Mtu(mtu) => interface.mtu == Some(mtu),
            _ => false,
        })
    }

    /// Whether an interface of a result is this one. Others may have its name, on the host or in other containers.
    fn is_of(self, interface: &cni::Interface) -> bool {
        interface.name == self.ifname && interface.sandbox.as_deref() == Some(self.sandbox)
    }
}

/// The capability `mac` goes before `args.cni.mac`, that before `CNI_ARGS`, and that before the configuration
/// (CONVENTIONS.md: what a plugin knows from `args` makes it ignore `CNI_ARGS`).
fn mac(conf: &Conf, cni_args: &str) -> Result<Option<Mac>> {
    let args = cni::args::parse(cni_args, &["MAC"])?;
    let sources = [
        ("runtimeConfig.mac", conf.runtime_config.mac.as_deref()),
        ("args.cni.mac", conf.args.cni.mac.as_deref()),
        ("CNI_ARGS MAC", args.get("MAC").map(String::as_str).filter(|mac| !mac.is_empty())),
        ("mac", conf.mac.as_deref()),
    ];
    let Some((source, text)) = sources.into_iter().find_map(|(source, mac)| Some((source, mac?))) else {
        return Ok(None);
    };
    match text.parse::<Mac>() {
        Ok(mac) if mac.is_assignable() => Ok(Some(mac)),
        _ => Err(Error::invalid(format!(
            "{source} \"{text}\": must be the hardware address of one station, like 02:00:00:12:34:56"
        ))),
    }
}

fn mtu(mtu: Option<i64>) -> Result<Option<u32>> {
    let Some(mtu) = mtu.filter(|mtu| *mtu != 0) else { return Ok(None) };
    let number = u32::try_from(mtu).ok().filter(|_| MTUS.contains(&mtu));
    number.map(Some).ok_or_else(|| {
        Error::invalid(format!("\"mtu\" {mtu}: must be 0 (as it is) or {} to {}", MTUS.start(), MTUS.end()))
    })
}

fn tx_queue_len(length: Option<i64>) -> Result<Option<u32>> {
    let Some(length) = length else { return Ok(None) };
    u32::try_from(length)
        .map(Some)
        .map_err(|_| Error::invalid(format!("\"txQLen\" {length}: must be 0 to {} packets", u32::MAX)))
}

/// Those that have a value. Two keys may lead to one sysctl, such as one with `IFNAME` and one with the name, but only with one value.
fn sysctls(object: &str, pairs: &Pairs, ifname: &str) -> Result<Vec<Sysctl>> {
    let mut sysctls: Vec<Sysctl> = Vec::new();
    for (key, value) in pairs.0.iter().filter(|(_, value)| !value.is_empty()) {
        let sysctl = Sysctl::new(key, value, ifname)?;
        match sysctls.iter().find(|other| other.path == sysctl.path) {
            None => sysctls.push(sysctl),
            Some(other) if net::sysctl::is_same(&other.value, value) => {}
            Some(other) => {
                return Err(Error::invalid(format!(
                    "\"{object}\": \"{}\" is \"{}\" and \"{key}\", which is the same, \"{value}\": must be one of both",
                    other.key, other.value
                )));
            }
        }
    }
    Ok(sysctls)
}

#[cfg(test)]
mod tests;
