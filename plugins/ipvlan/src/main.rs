//! The CNI plugin `ipvlan`: gives containers links on a link of the host that share its hardware address.

mod chained;
mod conf;
mod plan;

use std::process::ExitCode;

use attach::{inner, not_ready};
use cni::{Add, Check, Del, Gc, Plugin, Result, Status, Success, Undo};

use conf::Conf;
use plan::Source;

fn main() -> ExitCode {
    cni::skel::main::<Ipvlan>()
}

struct Ipvlan;

impl Plugin for Ipvlan {
    const NAME: &'static str = "ipvlan";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let prev = add.network.prev_result.as_ref();
        let wanted = plan::link_behind(&add.network.conf, prev)?;
        match Source::new(add.network.ipam.is_some(), prev)? {
            Source::Delegate => wanted.add(add, undo),
            Source::Previous(prev) => {
                let own = wanted.add_with(add, chained::lease(prev), undo)?;
                Ok(chained::result(prev, own, wanted.parent.name.as_deref().unwrap_or_default()))
            }
        }
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        inner::del(del, Self::NAME)
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let wanted = plan::link(&check.network.conf)?;
        plan::check_mode(&wanted.check(check)?, wanted.kind)
    }

    /// Nothing of it is on the host: the link goes with the container.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let wanted = plan::link(&status.network.conf).map_err(not_ready)?;
        // Behind another plugin the master may be one that it makes with each ADD.
        if wanted.parent.name.is_none() && status.network.ipam.is_none() { Ok(()) } else { wanted.status() }
    }
}
