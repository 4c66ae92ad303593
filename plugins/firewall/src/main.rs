//! The CNI plugin `firewall`: lets the traffic of containers through the host's firewall, and keeps bridges apart.

mod bus;
mod chains;
mod choice;
mod conf;
mod firewalld;
mod guard;
mod ledger;
mod plan;
mod rules;
mod xtables;

use std::process::ExitCode;

use attach::{Owner, firewall};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo, Version};
use iptables::Iptables;
use nft::Nft;

use conf::Conf;
use guard::{Guard, Leaving, lower_garbage};
use plan::{Backend, Plan, Told, own_addresses};

fn main() -> ExitCode {
    cni::skel::main::<Firewall>()
}

struct Firewall;

impl Plugin for Firewall {
    const NAME: &'static str = "firewall";
    const VERSIONS: &'static [Version] = &[Version::V0_4_0, Version::V1_0_0, Version::V1_1_0];
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = Plan::new(&add.network.conf)?;
        let prev = add.network.prev_result.as_ref();
        let prev = prev.ok_or_else(|| Error::invalid("missing prevResult from earlier plugin"))?;
        let (owner, told) = (Owner::new(&add.network.name, &add.attachment), Told::by(prev));
        let guard = Guard::new(&owner, &plan, &told)?;
        if guard.is_empty() {
            return Ok(prev.clone());
        }
        // Before: it may fail half way, and what got lost may be the kernel's answer alone.
        let leaving = Leaving { owner, told: Told::default(), zone: None };
        undo.push("let traffic through", move || leaving.lower());
        guard.raise()?;
        Ok(prev.clone())
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let owner = Owner::new(&del.network.name, &del.attachment);
        let told = del.network.prev_result.as_ref().map(Told::by).unwrap_or_default();
        let plan = Plan::new(&del.network.conf).ok();
        Leaving::new(&owner, &told, plan.as_ref()).lower()
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf)?;
        let prev = check.network.required_prev_result()?;
        let own = own_addresses(prev, &check.attachment.ifname);
        Guard::new(&Owner::new(&check.network.name, &check.attachment), &plan, &Told::by(prev))?.check(&own)
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        lower_garbage(&gc.network.name, &gc.keep)
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        usable(&status.network.conf).map_err(|error| Error { code: Code::NotReady, ..error })
    }
}

/// Fails if the backend could not let anything through. Without one in the configuration there always is one, where the
/// kernel has `nf_tables`.
fn usable(conf: &Conf) -> Result<()> {
    let installed = || {
        let missing = || Error::new(Code::NotReady, "find iptables-restore: it is not installed");
        if Iptables::ALL.into_iter().any(Iptables::is_installed) { Ok(()) } else { Err(missing()) }
    };
    match Plan::new(conf)?.backend {
        Some(Backend::Iptables) => installed(),
        Some(Backend::Firewalld) => firewalld::require(),
        Some(Backend::Nftables) => tables(),
        None => tables().or_else(|error| installed().map_err(|_| error)),
    }
}

fn tables() -> Result<()> {
    Nft::open().and_then(|mut nft| nft.generation()).map(drop).map_err(firewall)
}
