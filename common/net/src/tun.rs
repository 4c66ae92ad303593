//! Taps: links whose frames a process gets and sends (Documentation/networking/tuntap.rst).
//!
//! rtnetlink tells of them, but does not make them: that is `ioctl(2)` on a descriptor of `/dev/net/tun`, by whoever is in the
//! network namespace.

use std::{
    fs::{File, OpenOptions},
    os::fd::AsRawFd,
};

use nix::{errno::Errno, libc};

use crate::{Error, Inside, Result, answer::Attribute, answer::Attributes};

/// Where taps are made.
const DEVICE: &str = "/dev/net/tun";

/// `include/uapi/linux/if_tun.h`
const IFF_TAP: u16 = 0x0002;
const IFF_MULTI_QUEUE: u16 = 0x0100;
const IFF_NO_PI: u16 = 0x1000;
const IFF_TUN_EXCL: u16 = 0x8000;
/// `include/uapi/linux/if_link.h`
const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_GROUP: u16 = 2;
const IFLA_TUN_TYPE: u16 = 3;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;

/// A tap to make. It is down, and stays when nobody has it open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapSpec {
    /// Its name.
    pub name: String,
    /// What it is.
    pub tap: Tap,
}

/// What a tap is. The kernel tells it since Linux 4.17.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tap {
    /// The user who may open it; unset, with `group` unset too, is everybody.
    pub owner: Option<u32>,
    /// The group whose members may open it.
    pub group: Option<u32>,
    /// Whether it can be opened several times, each for a queue of its own.
    pub multi_queue: bool,
}

impl Tap {
    /// What `IFLA_INFO_DATA` tells of a link of the kind `tun`; `None` if it has packets and no frames.
    pub(crate) fn of(data: Attributes<'_>) -> Option<Self> {
        let number = |kind| data.find(kind).and_then(Attribute::u32);
        let byte = |kind| data.find(kind).and_then(Attribute::u8);
        let tap = Self {
            owner: number(IFLA_TUN_OWNER),
            group: number(IFLA_TUN_GROUP),
            multi_queue: byte(IFLA_TUN_MULTI_QUEUE) == Some(1),
        };
        (byte(IFLA_TUN_TYPE).map(u16::from) == Some(IFF_TAP)).then_some(tap)
    }
}

/// Makes a tap; fails with `EEXIST` if the name is taken. A process that is killed meanwhile leaves none.
pub fn add_tap(inside: &Inside<'_>, spec: &TapSpec) -> Result<()> {
    let device = open(inside)?;
    let doing = || format!("create tap \"{}\"", spec.name);
    // `one_queue`, which other tools have beside these, means nothing since Linux 3.8.
    let queues = if spec.tap.multi_queue { IFF_MULTI_QUEUE } else { 0 };
    let made = ioctl::set_iff(&device, &spec.name, IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | queues);
    // What is there already is busy, to this call.
    made.map_err(|errno| Error::new(doing(), if errno == Errno::EBUSY { Errno::EEXIST } else { errno }))?;
    let set = |what: &str, id: u32, call: fn(&File, u32) -> nix::Result<()>| {
        call(&device, id).map_err(|errno| Error::new(format!("{} for {what} {id}", doing()), errno))
    };
    spec.tap.owner.map_or(Ok(()), |id| set("user", id, ioctl::set_owner))?;
    spec.tap.group.map_or(Ok(()), |id| set("group", id, ioctl::set_group))?;
    ioctl::set_persist(&device, 1).map_err(|errno| Error::new(doing(), errno))
}

/// Fails if no tap can be made here, for want of the device.
pub fn check(inside: &Inside<'_>) -> Result<()> {
    open(inside).map(drop)
}

/// The descriptor belongs to the network namespace that the thread is in.
fn open(_: &Inside<'_>) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(DEVICE).map_err(|error| Error::io(format!("open {DEVICE}"), &error))
}

/// The calls, which nothing safe makes.
mod ioctl {
    #![expect(unsafe_code, reason = "nothing else makes taps, neither rtnetlink nor a library that we have")]

    use super::{AsRawFd, Errno, File, libc};

    nix::ioctl_write_ptr!(tun_set_iff, b'T', 202, libc::c_int);
    nix::ioctl_write_int!(tun_set_persist, b'T', 203);
    nix::ioctl_write_int!(tun_set_owner, b'T', 204);
    nix::ioctl_write_int!(tun_set_group, b'T', 206);

    /// `struct ifreq` of netdevice(7), where it is longest: what is behind the flags belongs to other requests.
    #[repr(C, align(8))]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        flags: u16,
        rest: [u8; 22],
    }

    pub(super) fn set_iff(device: &File, name: &str, flags: u16) -> nix::Result<()> {
        let mut request = Request { name: [0; libc::IFNAMSIZ], flags, rest: [0; 22] };
        // The last octet ends the name.
        let place = request.name.get_mut(..name.len()).filter(|_| name.len() < libc::IFNAMSIZ).ok_or(Errno::EINVAL)?;
        place.copy_from_slice(name.as_bytes());
        // SAFETY: the kernel reads and writes a `struct ifreq` there, which `Request` is at least as long as and aligned for; it
        // outlives the call, and so does the descriptor.
        unsafe { tun_set_iff(device.as_raw_fd(), (&raw mut request).cast()) }.map(drop)
    }

    pub(super) fn set_persist(device: &File, on: u32) -> nix::Result<()> {
        // SAFETY: the argument is a number, and the descriptor outlives the call.
        unsafe { tun_set_persist(device.as_raw_fd(), on.into()) }.map(drop)
    }

    pub(super) fn set_owner(device: &File, user: u32) -> nix::Result<()> {
        // SAFETY: as above.
        unsafe { tun_set_owner(device.as_raw_fd(), user.into()) }.map(drop)
    }

    pub(super) fn set_group(device: &File, group: u32) -> nix::Result<()> {
        // SAFETY: as above.
        unsafe { tun_set_group(device.as_raw_fd(), group.into()) }.map(drop)
    }
}
