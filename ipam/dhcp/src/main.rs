//! `dhcp`: addresses from the DHCP servers of a network, kept as long as the container needs them.
//!
//! Two roles: the plugin, which a runtime runs, and `dhcp daemon`, which asks the servers and extends leases. README.md is for users.

mod change;
mod client;
mod conf;
mod daemon;
mod domain;
mod exchange;
mod interface;
mod key;
mod lease;
mod moment;
mod options;
mod plan;
mod record;
mod release;
mod rpc;
mod schedule;
mod store;
mod v4;
mod v6;

use std::{path::Path, process::ExitCode};

use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};

use crate::{
    conf::Conf,
    key::Key,
    plan::Plan,
    rpc::Ask,
    store::{Found, Store},
};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("daemon") => daemon::main(arguments),
        _ => cni::skel::main::<Dhcp>(),
    }
}

struct Dhcp;

impl Plugin for Dhcp {
    const NAME: &'static str = "dhcp";
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let Plan { socket, wanted } = Plan::new(&add.network.conf, &add.args)?;
        let key = Key::new(&add.network.name, &add.attachment);
        let ask = Ask::Acquire { key: key.clone(), netns: add.netns.clone(), wanted };
        let leases = client::ask(&socket, ask, client::PATIENT)?.into_result()?;
        let (success, fresh) = leases.ok_or_else(|| strange(&socket))?;
        if fresh {
            undo.push("acquire leases", move || release(&socket, &key));
        }
        Ok(success)
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        release(&del.network.conf.socket(), &Key::new(&del.network.name, &del.attachment))
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf, &check.args)?;
        let told = check.network.required_prev_result()?;
        let key = Key::new(&check.network.name, &check.attachment);
        let answer = client::ask(&plan.socket, Ask::Check { key }, client::BRIEF)?.into_result()?;
        let (leased, _) = answer.ok_or_else(|| strange(&plan.socket))?;
        for ip in &leased.ips {
            if !told.ips.iter().any(|told| told.address == ip.address) {
                let msg = format!("find address {} in prevResult: the lease has changed to it since", ip.address);
                return Err(Error::new(Code::CheckFailed, msg));
            }
        }
        Ok(())
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let socket = gc.network.conf.socket();
        let ask = Ask::gc(&gc.network.name, gc.keep.iter().cloned());
        match client::ask(&socket, ask, client::BRIEF) {
            Ok(answer) => answer.into_result().map(drop),
            Err(error) => {
                log::info!("{error}; going on without");
                let keep: Vec<String> = gc.keep.iter().map(|kept| Key::new(&gc.network.name, kept).stem()).collect();
                release_others(&Store::beside(&socket), &gc.network.name, &keep)
            }
        }
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
        let plan = Plan::new(&status.network.conf, "").map_err(not_ready)?;
        let answer = client::ask(&plan.socket, Ask::Status, client::BRIEF).map_err(not_ready)?;
        answer.into_result().map(drop).map_err(not_ready)
    }
}

/// Gives an attachment's leases back: by the daemon, or, where none answers, without.
fn release(socket: &Path, key: &Key) -> Result<()> {
    match client::ask(socket, Ask::Release { key: key.clone() }, client::BRIEF) {
        Ok(answer) => return answer.into_result().map(drop),
        Err(error) => log::info!("{error}; going on without"),
    }
    let store = Store::beside(socket);
    if let Some(Found { record: Some(record), .. }) = store.find(key) {
        release::record(&record, Path::new(""));
    }
    store.remove(key)
}

/// The same for the attachments of a network that are not among these.
fn release_others(store: &Store, network: &str, keep: &[String]) -> Result<()> {
    let garbage = store.list(Some(network))?.into_iter().filter(|found| !found.is_one_of(keep));
    Error::collect(garbage.map(|found| {
        if let Some(record) = &found.record {
            release::record(record, Path::new(""));
        }
        found.remove()
    }))
}

fn strange(socket: &Path) -> Error {
    Error::new(Code::Internal, format!("ask daemon at {}: it answers another question", socket.display()))
}
