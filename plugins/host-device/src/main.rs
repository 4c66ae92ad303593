//! The CNI plugin `host-device`: lends a device of the host to a container.

mod conf;
mod device;
mod home;
mod lend;
mod marks;
mod plan;
mod sysfs;

use std::process::ExitCode;

use attach::{
    Ipam, Owner, inner, kernel, netns,
    verify::{self, failed},
};
use cni::{Add, Check, Code, Del, Error, Gc, Interface, Plugin, Result, Status, Success, Undo, check_ifname};
use net::{Link, Netns, Rtnl, here};

use conf::Conf;
use device::Target;
use home::Sought;
use marks::Marks;
use plan::Plan;

fn main() -> ExitCode {
    cni::skel::main::<HostDevice>()
}

struct HostDevice;

impl Plugin for HostDevice {
    const NAME: &'static str = "host-device";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = Plan::new(&add.network.conf)?;
        let target = Target::of(&plan)?;
        let netns = Netns::open(&add.netns).map_err(kernel)?;
        if target.is_dpdk {
            return add_dpdk(add, &plan, &target, undo);
        }
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let device = target.find(&mut host)?;
        let device = home::settle_all(&mut host, device)?;
        let pci = target.pci().map(str::to_owned).or_else(|| sysfs::pci_of(&device.name));
        let ipam = Ipam::start(&add.network)?;
        let owner = Owner::new(&add.network.name, &add.attachment);
        // What a crash has left of this attachment is another device's by now, if it has one.
        home::settle(&mut host, &owner)?;
        lend::lend(&mut host, &netns, &owner, &device, undo)?;
        let mut success = inner::furnish(add, &netns, ipam, &plan.dns, undo)?;
        if let Some(interface) = success.interfaces.last_mut() {
            interface.pci_id = pci;
        }
        Ok(success)
    }

    /// Only marks and alias say what there is to do: the configuration may be wrong by now, and the device's driver another.
    fn del(del: &Del<Conf>) -> Result<()> {
        let owner = Owner::new(&del.network.name, &del.attachment);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let fetched = fetch(&mut host, &owner, del);
        Error::collect([fetched, home::settle(&mut host, &owner)])
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf)?;
        let target = Target::of(&plan)?;
        let prev = check.network.required_prev_result()?;
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let ifname = &check.attachment.ifname;
        if target.is_dpdk {
            return verify::find(prev, ifname, &check.netns.display().to_string()).map(drop);
        }
        let owner = Owner::new(&check.network.name, &check.attachment);
        let device = check.network.conf.device.as_deref();
        verify::device(&netns, prev, ifname, |link| check_right(link, &owner, device))
    }

    /// What is in a container is out of reach without its network namespace.
    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        home::settle_garbage(&mut host, &gc.network.name, &gc.keep)
    }

    /// A device that a container has is fine: it comes back. One that there is not at all is not.
    fn status(status: &Status<Conf>) -> Result<()> {
        let conf = &status.network.conf;
        if conf.capabilities.device_id && !conf.names_device() {
            // Each ADD brings its own.
            return Ok(());
        }
        let ready = || {
            let target = Target::of(&Plan::new(conf)?)?;
            let mut host = Rtnl::open(&here()).map_err(kernel)?;
            target.check_exists(&mut host)
        };
        ready().map_err(|error: Error| Error { code: Code::NotReady, ..error })
    }
}

/// Nothing is moved: a program in user space has the device already. It is told of, and of its addresses.
fn add_dpdk(add: &Add<Conf>, plan: &Plan, target: &Target, undo: &mut Undo) -> Result<Success> {
    let mut ipam = Ipam::start(&add.network)?;
    ipam.ask(undo)?;
    let lease = ipam.lease(0, &plan.dns)?;
    let interface = Interface {
        name: add.attachment.ifname.clone(),
        sandbox: Some(add.netns.display().to_string()),
        pci_id: target.pci().map(str::to_owned),
        ..Interface::default()
    };
    Ok(add.network.extend_prev_result(Success { interfaces: vec![interface], ..lease }))
}

/// Brings the attachment's device out of the container, if both are there.
fn fetch(host: &mut Rtnl, owner: &Owner, del: &Del<Conf>) -> Result<()> {
    let Some(netns) = netns::open_if_there(del.netns.as_deref())? else { return Ok(()) };
    let conf = &del.network.conf;
    let hardware = conf.hwaddr.clone().or_else(|| told_address(del)).and_then(|text| plan::hardware(&text).ok());
    let sought = Sought {
        owner,
        device: conf.device.as_deref(),
        hardware: hardware.as_deref(),
        is_virtual: conf.device.is_some() || conf.hwaddr.is_some() || !conf.names_device(),
    };
    home::fetch(host, &netns, &sought).map(drop)
}

/// The hardware address that the previous result tells of the container's interface.
fn told_address(del: &Del<Conf>) -> Option<String> {
    let mut interfaces = del.network.prev_result.iter().flat_map(|result| &result.interfaces);
    let is_own = |told: &&Interface| told.name == del.attachment.ifname && told.sandbox.is_some();
    interfaces.find(is_own)?.mac.clone()
}

/// Fails unless the link is the attachment's device, as far as its marks, or the reference's alias, tell.
fn check_right(link: &Link, owner: &Owner, device: Option<&str>) -> Result<()> {
    let wrong = |what: String| Err(failed(format!("check interface \"{}\": {what}", link.name)));
    let name = match Marks::of(link, owner) {
        Some(marks) => marks.name,
        None if Marks::all_of(link).next().is_some() => {
            return wrong("it is the device of another attachment".to_owned());
        }
        None => match &link.alias {
            Some(alias) if check_ifname(alias).is_ok() => alias.clone(),
            _ => return wrong("it is no device of the host: its alias does not say which".to_owned()),
        },
    };
    let is_meant = |device: &str| name == device || link.altnames.iter().any(|other| other == device);
    if device.is_none_or(is_meant) { Ok(()) } else { wrong(format!("it is device \"{name}\"")) }
}
