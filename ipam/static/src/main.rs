//! `static`: the addresses that the configuration says, or the runtime.
//!
//! It makes no interface; plugins that do call it as their `ipam`. Nothing is remembered, so nothing has to be given back.
//! README.md is for its users.

mod conf;
mod plan;

use std::process::ExitCode;

use cni::{Add, Check, Code, Del, Error, Gc, IpConfig, Plugin, Result, Status, Success, Undo};

use crate::{conf::Conf, plan::Plan};

fn main() -> ExitCode {
    cni::skel::main::<Static>()
}

struct Static;

impl Plugin for Static {
    const NAME: &'static str = "static";
    type Conf = Conf;

    fn add(add: &Add<Conf>, _: &mut Undo) -> Result<Success> {
        let Plan { ips, routes, dns } = Plan::new(&add.network.conf, &add.args, add.network.version)?;
        Ok(Success { ips, routes, dns, ..Success::default() })
    }

    fn del(_: &Del<Conf>) -> Result<()> {
        Ok(())
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf, &check.args, check.network.version)?;
        let told = &check.network.required_prev_result()?.ips;
        plan.ips.iter().try_for_each(|ip| find(ip, told))
    }

    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let plan = Plan::new(&status.network.conf, "", status.network.version);
        plan.map(drop).map_err(|error| Error { code: Code::NotReady, ..error })
    }
}

/// Fails unless `told`, which a result tells, has the address with its gateway. Where there is none to be, another plugin may have
/// chosen one.
fn find(wanted: &IpConfig, told: &[IpConfig]) -> Result<()> {
    let failed = |msg: String| Err(Error::new(Code::CheckFailed, msg));
    let written = |gateway: &IpConfig| gateway.gateway.map_or_else(|| "none".to_owned(), |gateway| gateway.to_string());
    match told.iter().find(|ip| ip.address == wanted.address) {
        None => failed(format!("find address {} in prevResult: it has none", wanted.address)),
        Some(ip) if wanted.gateway.is_some() && ip.gateway != wanted.gateway => failed(format!(
            "find gateway of {} in prevResult: it is {}, and should be {}",
            wanted.address,
            written(ip),
            written(wanted)
        )),
        Some(_) => Ok(()),
    }
}
