//! The CNI plugin `vlan`: puts containers into a VLAN of a link.

mod conf;
mod plan;

use std::process::ExitCode;

use attach::{host, inner, keys, not_ready, upper::Upper};
use cni::{Add, Check, Del, Gc, Network, Plugin, Result, Status, Success, Undo};

use conf::Conf;

fn main() -> ExitCode {
    cni::skel::main::<Vlan>()
}

struct Vlan;

impl Plugin for Vlan {
    const NAME: &'static str = "vlan";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        wanted(&add.network)?.add(add, undo)
    }

    /// Neither the master nor a configuration that makes sense is needed for it.
    fn del(del: &Del<Conf>) -> Result<()> {
        inner::del(del, Self::NAME)
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let wanted = wanted(&check.network)?;
        plan::check_id(&wanted.check(check)?, wanted.kind)
    }

    /// Nothing of it is on the host: the link goes with the container.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let wanted = wanted(&status.network).map_err(not_ready)?;
        wanted.status()?;
        host::check_kind(wanted.kind).map_err(not_ready)
    }
}

fn wanted(network: &Network<Conf>) -> Result<Upper> {
    keys::require_ipam(network, Vlan::NAME)?;
    plan::link(&network.conf)
}
