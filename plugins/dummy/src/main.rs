//! The CNI plugin `dummy`: gives containers an interface that has addresses and leads nowhere.

mod conf;

use std::process::ExitCode;

use attach::{
    host,
    inner::{self, Inner},
    kernel, keys, not_ready,
    verify::{self, failed},
    veth::existing,
};
use cni::{Add, Check, Del, Gc, Plugin, Result, Status, Success, Undo};
use net::{Kind, LinkChange, LinkSpec, Netns};

use conf::Conf;

fn main() -> ExitCode {
    cni::skel::main::<Dummy>()
}

struct Dummy;

impl Plugin for Dummy {
    const NAME: &'static str = "dummy";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        keys::require_ipam(&add.network, Self::NAME)?;
        let netns = Netns::open(&add.netns).map_err(kernel)?;
        let mut inside = netns.rtnl().map_err(kernel)?;
        let inner = Inner {
            netns: &netns,
            kind: Kind::Dummy.name(),
            create: &mut |name| inside.add_link(&LinkSpec::new(name, Kind::Dummy)),
            change: LinkChange::default(),
            dns: &add.network.conf.dns,
        };
        inner::add(add, inner, undo)
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        inner::del(del, Kind::Dummy.name())
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        keys::require_ipam(&check.network, Self::NAME)?;
        let prev = check.network.required_prev_result()?;
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let ifname = &check.attachment.ifname;
        verify::interface(&netns, prev, ifname, Kind::Dummy.name())?;
        if existing(&mut netns.rtnl().map_err(kernel)?, ifname)?.up {
            return Ok(());
        }
        Err(failed(format!("check interface \"{ifname}\" in {}: it is down", check.netns.display())))
    }

    /// It keeps nothing on the host.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        keys::require_ipam(&status.network, Self::NAME).and_then(|()| host::check_kind(Kind::Dummy)).map_err(not_ready)
    }
}
