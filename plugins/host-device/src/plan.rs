//! What the configuration says of the device, checked. Nothing here touches the kernel.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

use cni::{Dns, Error, Result};

use crate::conf::Conf;

/// The longest alternative name of a link (`ALTIFNAMSIZ`, `include/uapi/linux/if.h`).
const ALTNAME_MAX: usize = 127;
/// What the lengths of hardware addresses are: Ethernet, EUI-64, InfiniBand.
const HARDWARE_LENGTHS: [usize; 3] = [6, 8, 20];
/// Where devices are, below which `kernelpath` has to lead.
const DEVICES: &str = "/sys/devices/";

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The device, if it is given otherwise than by a bus.
    pub device: Option<Device>,
    /// `pciBusID`.
    pub pci: Option<String>,
    /// `runtimeConfig.deviceID`, of a bus that is to be found out.
    pub device_id: Option<String>,
    /// `dpdkMode`, which counts for devices without a PCI address.
    pub dpdk: bool,
    /// Name servers that go before those of the delegate.
    pub dns: Dns,
}

/// A device of the host, by what it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A link's name, or alternative name.
    Name(String),
    /// A hardware address.
    Hardware(Vec<u8>),
    /// A directory of the device below `/sys/devices`.
    KernelPath(PathBuf),
    /// A PCI address.
    Pci(String),
    /// A name on the auxiliary bus.
    Auxiliary(String),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "\"device\" \"{name}\""),
            Self::Hardware(octets) => {
                let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
                write!(f, "\"hwaddr\" \"{}\"", octets.join(":"))
            }
            Self::KernelPath(path) => write!(f, "\"kernelpath\" \"{}\"", path.display()),
            Self::Pci(id) => write!(f, "\"pciBusID\" \"{id}\""),
            Self::Auxiliary(id) => write!(f, "auxiliary device \"{id}\""),
        }
    }
}

impl Plan {
    /// Checks the configuration. Which of several keys counts does not depend on their order, but all have to be possible.
    pub fn new(conf: &Conf) -> Result<Self> {
        let name = conf.device.as_deref().map(link_name).transpose()?.map(Device::Name);
        let hardware = conf.hwaddr.as_deref().map(hardware).transpose()?.map(Device::Hardware);
        let path = conf.kernelpath.as_deref().map(kernel_path).transpose()?.map(Device::KernelPath);
        let on_bus = |key: &str, id: &Option<String>| id.as_deref().map(|id| bus_id(key, id)).transpose();
        if !conf.names_device() {
            return Err(Error::invalid(r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#));
        }
        Ok(Self {
            device: name.or(hardware).or(path),
            pci: on_bus("pciBusID", &conf.pci_bus_id)?,
            device_id: on_bus("runtimeConfig.deviceID", &conf.runtime_config.device_id)?,
            dpdk: conf.dpdk_mode,
            dns: conf.dns.clone(),
        })
    }
}

fn link_name(name: &str) -> Result<String> {
    let is_possible = name.len() <= ALTNAME_MAX
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
    if is_possible {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!(
        "\"device\" \"{name}\": must be the name of a link: at most {ALTNAME_MAX} bytes, neither / nor white space"
    )))
}

/// The octets of an address as Go's `net.ParseMAC` reads it: `02:00:00:12:34:56`, `02-00-00-12-34-56`, `0200.0012.3456`, and
/// longer ones.
pub fn hardware(text: &str) -> Result<Vec<u8>> {
    let (separator, digits) = match text {
        _ if text.contains('.') => ('.', 4),
        _ if text.contains('-') => ('-', 2),
        _ => (':', 2),
    };
    let is_group = |group: &str| group.len() == digits && group.bytes().all(|b| b.is_ascii_hexdigit());
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let octets = text.split(separator).all(is_group).then(|| {
        let digits = text.replace(separator, "");
        digits.as_bytes().chunks(2).filter_map(octet).collect::<Vec<_>>()
    });
    octets.filter(|octets| HARDWARE_LENGTHS.contains(&octets.len())).ok_or_else(|| {
        Error::invalid(format!("\"hwaddr\" \"{text}\": must be a hardware address, like 02:00:00:12:34:56"))
    })
}

/// The path without `.` and `..`, which could lead elsewhere.
fn kernel_path(text: &str) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir | Component::Prefix(_) => {}
            Component::RootDir | Component::Normal(_) => clean.push(component),
        }
    }
    if clean.starts_with(DEVICES) && clean != Path::new(DEVICES) {
        return Ok(clean);
    }
    Err(Error::invalid(format!(
        "kernel device path \"{text}\" must be absolute and begin with {DEVICES} (\"kernelpath\")"
    )))
}

/// A name that is one entry of a bus's directory.
fn bus_id(key: &str, id: &str) -> Result<String> {
    if id != "." && id != ".." && !id.contains(['/', '\0']) {
        return Ok(id.to_owned());
    }
    Err(Error::invalid(format!("\"{key}\" \"{id}\": must be the address of one device, like 0000:3b:00.1")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::RuntimeConfig;

    fn conf(device: &str, hwaddr: &str, kernelpath: &str, pci: &str) -> Conf {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Conf {
            device: given(device),
            hwaddr: given(hwaddr),
            kernelpath: given(kernelpath),
            pci_bus_id: given(pci),
            ..Conf::default()
        }
    }

    fn refusal(conf: &Conf) -> String {
        Plan::new(conf).unwrap_err().msg
    }

    #[test]
    fn the_first_of_name_address_and_path_counts() {
        let (name, path) = (Device::Name("eth1".into()), Device::KernelPath("/sys/devices/x".into()));
        let device = |conf: &Conf| Plan::new(conf).unwrap().device.unwrap();
        assert_eq!(device(&conf("eth1", "02:00:00:00:00:01", "/sys/devices/x", "0000:00:01.0")), name);
        let hardware = Device::Hardware(vec![2, 0, 0, 0, 0, 1]);
        assert_eq!(device(&conf("", "02:00:00:00:00:01", "/sys/devices/x", "0000:00:01.0")), hardware);
        assert_eq!(device(&conf("", "", "/sys/devices/x", "0000:00:01.0")), path);
        let plan = Plan::new(&conf("", "", "", "0000:00:01.0")).unwrap();
        assert_eq!((plan.device, plan.pci.as_deref()), (None, Some("0000:00:01.0")));
    }

    #[test]
    fn nothing_at_all_is_refused_in_the_references_words() {
        let words = r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#;
        assert_eq!(refusal(&Conf::default()), words);
        let by_runtime =
            Conf { runtime_config: RuntimeConfig { device_id: Some("mlx5_core.sf.4".into()) }, ..Conf::default() };
        assert_eq!(Plan::new(&by_runtime).unwrap().device_id.as_deref(), Some("mlx5_core.sf.4"));
    }

    #[test]
    fn hardware_addresses_are_read_as_go_reads_them() {
        let six = Some(vec![0, 0, 0x5e, 0, 0x53, 0xaf]);
        for text in ["00:00:5e:00:53:af", "00-00-5E-00-53-AF", "0000.5e00.53af"] {
            assert_eq!(hardware(text).ok(), six, "{text}");
        }
        assert_eq!(hardware("02:00:5e:10:00:00:00:01").unwrap().len(), 8);
        let infiniband = ["0a"; 20].join("-");
        assert_eq!(hardware(&infiniband).unwrap(), [10; 20]);
        for text in ["", "00:00:5e:00:53", "00:00:5e:00:53-af", "0:0:0:0:0:0", "00005e0053af", "00:00:5e:00:53:ag", "é"]
        {
            assert!(hardware(text).unwrap_err().msg.starts_with(&format!("\"hwaddr\" \"{text}\": must be")), "{text}");
        }
    }

    #[test]
    fn paths_lead_below_the_devices() {
        let clean = |text: &str| kernel_path(text).unwrap().display().to_string();
        assert_eq!(clean("/sys/devices/pci0000:00/0000:00:19.0"), "/sys/devices/pci0000:00/0000:00:19.0");
        assert_eq!(clean("/sys//class/../devices/./a/"), "/sys/devices/a");
        for text in
            ["sys/devices/a", "/sys/class/net/eth0", "/sys/devices/../class/net", "/sys/devices", "/sys/devicesx/a"]
        {
            let words = format!("kernel device path \"{text}\" must be absolute and begin with /sys/devices/");
            assert!(refusal(&conf("", "", text, "")).starts_with(&words), "{text}");
        }
    }

    #[test]
    fn names_that_nothing_can_have_are_refused() {
        for name in ["a/b", "a b", ".", "..", &"x".repeat(128)] {
            assert!(refusal(&conf(name, "", "", "")).starts_with(&format!("\"device\" \"{name}\": must be")), "{name}");
        }
        assert!(Plan::new(&conf(&"x".repeat(127), "", "", "")).is_ok());
        for id in ["..", "../../net", "a/b"] {
            assert!(refusal(&conf("", "", "", id)).starts_with(&format!("\"pciBusID\" \"{id}\": must be")), "{id}");
        }
        // Also where another key goes first.
        assert!(refusal(&conf("eth1", "junk", "", "")).starts_with("\"hwaddr\" \"junk\""));
    }
}
