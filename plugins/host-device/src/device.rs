//! Finding the device on the host.

use std::{io, path::Path};

use attach::kernel;
use cni::{Code, Error, Result};
use net::{Link, Rtnl};

use crate::{
    marks::{self, Marks},
    plan::{Device, Plan},
    sysfs::{self, Bus},
};

/// Drivers that hand a device over to a program in user space: it has no link (<https://doc.dpdk.org/guides/linux_gsg/linux_drivers.html>).
const USER_SPACE_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// The device that is meant, where several keys, or the runtime, name some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// By what it is known.
    pub device: Device,
    /// A program in user space has it: there is no link to move.
    pub is_dpdk: bool,
}

impl Target {
    /// Finds out on which bus it is and who drives it.
    ///
    /// # Errors
    /// Code 100 if the bus has no such device, unless another key says which one it is: Multus adds `pciBusID` and a runtime
    /// `deviceID` unasked.
    pub fn of(plan: &Plan) -> Result<Self> {
        let (pci, auxiliary) = match &plan.device_id {
            Some(id) if Bus::Pci.has(id) => (Some(id.clone()), None),
            Some(id) if Bus::Auxiliary.has(id) => (None, Some(id.clone())),
            Some(id) if plan.device.is_none() => {
                let msg = format!("runtime config DeviceID {id} not found or unsupported");
                return Err(Error::new(Code::Kernel, msg)
                    .details("neither /sys/bus/pci/devices nor /sys/bus/auxiliary/devices has it"));
            }
            _ => (plan.pci.clone(), None),
        };
        if let Some(id) = pci.as_ref().filter(|id| plan.device.is_none() && !Bus::Pci.has(id)) {
            let msg = format!("find \"pciBusID\" \"{id}\": there is none in /sys/bus/pci/devices");
            return Err(Error::new(Code::Kernel, msg));
        }
        let is_dpdk = pci.as_deref().map_or(plan.dpdk, is_of_user_space);
        let by_bus = || pci.map(Device::Pci).or(auxiliary.map(Device::Auxiliary));
        let device = plan.device.clone().or_else(by_bus);
        // A plan names a device somehow.
        let device = device.ok_or_else(|| Error::new(Code::Internal, "find device: none is given"))?;
        Ok(Self { device, is_dpdk })
    }

    /// The PCI address that the device was given by.
    pub fn pci(&self) -> Option<&str> {
        if let Device::Pci(id) = &self.device { Some(id) } else { None }
    }

    /// The device's link on the host.
    ///
    /// # Errors
    /// Code 100 if it is not there.
    pub fn find(&self, host: &mut Rtnl) -> Result<Link> {
        self.look(host)?.ok_or_else(|| {
            let msg = format!("find {}: it is not on the host", self.device);
            Error::new(Code::Kernel, msg).details("another container may have it")
        })
    }

    /// The device's link on the host, if it is there.
    fn look(&self, host: &mut Rtnl) -> Result<Option<Link>> {
        let name = match &self.device {
            Device::Name(name) => return by_name(host, name),
            Device::Hardware(octets) => {
                let links = host.links().map_err(kernel)?;
                return Ok(links.into_iter().find(|link| !link.loopback && link.hardware == *octets));
            }
            Device::KernelPath(path) => told(sysfs::link_of(path), path)?,
            Device::Pci(id) => told(sysfs::link_of_pci(id), &Bus::Pci.dir(id))?,
            Device::Auxiliary(id) => told(sysfs::link_of(&Bus::Auxiliary.dir(id)), &Bus::Auxiliary.dir(id))?,
        };
        name.map_or(Ok(None), |name| host.link(&name).map_err(kernel))
    }

    /// Whether there is such a device, be it in a container.
    ///
    /// # Errors
    /// Code 100 if there is none.
    pub fn check_exists(&self, host: &mut Rtnl) -> Result<()> {
        let is_there = match &self.device {
            Device::KernelPath(path) => path.exists(),
            // They have been looked at.
            Device::Pci(_) | Device::Auxiliary(_) => true,
            Device::Name(_) | Device::Hardware(_) => {
                self.is_dpdk || self.look(host)?.is_some() || self.is_elsewhere(host)?
            }
        };
        if is_there {
            return Ok(());
        }
        let msg = format!("find {}: there is none on the host, nor in a container that one was moved to", self.device);
        Err(Error::new(Code::Kernel, msg))
    }

    fn is_elsewhere(&self, host: &mut Rtnl) -> Result<bool> {
        let is_it = |link: &Link| match &self.device {
            // What was moved has its old name as alias, and keeps its alternative names.
            Device::Name(name) => link.alias.as_ref() == Some(name) || link.altnames.contains(name),
            Device::Hardware(octets) => link.hardware == *octets,
            _ => false,
        };
        Ok(host.links_elsewhere().map_err(kernel)?.iter().any(is_it))
    }
}

/// A link by its name, or one that had it before a container did, and has come back by itself.
fn by_name(host: &mut Rtnl, name: &str) -> Result<Option<Link>> {
    let found = if name.len() <= LINK_NAME_MAX { host.link(name).map_err(kernel) } else { marks::find(host, name) }?;
    if found.is_some() {
        return Ok(found);
    }
    let links = host.links().map_err(kernel)?;
    let had_it = |link: &Link| Marks::all_of(link).any(|(_, marks)| marks.is_some_and(|marks| marks.name == name));
    Ok(links.into_iter().find(had_it))
}

/// The longest name of a link (`IFNAMSIZ`, `include/uapi/linux/if.h`).
const LINK_NAME_MAX: usize = 15;

fn told(read: io::Result<Option<String>>, dir: &Path) -> Result<Option<String>> {
    read.map_err(|error| Error::new(Code::Io, format!("read {}: {error}", dir.display())))
}

fn is_of_user_space(pci: &str) -> bool {
    sysfs::driver(pci).is_some_and(|driver| USER_SPACE_DRIVERS.contains(&driver.as_str()))
}
