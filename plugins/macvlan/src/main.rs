//! The CNI plugin `macvlan`: gives containers links with hardware addresses of their own on a link of the host.

mod conf;
mod plan;

use std::process::ExitCode;

use attach::{inner, not_ready};
use cni::{Add, Check, Del, Gc, Plugin, Result, Status, Success, Undo};

use conf::Conf;

fn main() -> ExitCode {
    cni::skel::main::<Macvlan>()
}

struct Macvlan;

impl Plugin for Macvlan {
    const NAME: &'static str = "macvlan";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        plan::link(&add.network.conf, &add.args)?.add(add, undo)
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        inner::del(del, Self::NAME)
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let wanted = plan::link(&check.network.conf, &check.args)?;
        plan::check_mode(&wanted.check(check)?, wanted.kind)
    }

    /// Nothing of it is on the host: the link goes with the container.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        plan::link(&status.network.conf, "").map_err(not_ready)?.status()
    }
}
