//! The CNI plugin `tuning`: changes settings of a container's interface and sysctls of its network namespace.
//!
//! What was there before is written down first, so that DEL gives it back after whatever crash.

mod allow_list;
mod backup;
mod conf;
mod container;
mod file;
mod plan;
mod record;
mod setting;
mod sysctl;

use std::process::ExitCode;

use attach::{Owner, kernel};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use net::{Rtnl, here};

use allow_list::AllowList;
use backup::Backup;
use conf::Conf;
use container::Container;
use plan::{Place, Tuning};
use record::Record;

fn main() -> ExitCode {
    cni::skel::main::<Plug>()
}

struct Plug;

impl Plugin for Plug {
    const NAME: &'static str = "tuning";
    const WITHOUT_DUPLICATES: &'static [&'static [&'static str]] = &[&["sysctl"], &["args", "cni", "sysctl"]];
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let (network, ifname) = (&add.network, &add.attachment.ifname);
        let wanted = Tuning::new(&network.conf, &add.args, ifname)?;
        check_allowed(&wanted)?;
        let prev = network.prev_result.as_ref();
        let prev = prev.ok_or_else(|| Error::invalid("must be called as chained plugin: prevResult missing"))?;
        if wanted.is_empty() {
            return Ok(prev.clone());
        }
        let sandbox = add.netns.display().to_string();
        let place = Place { ifname, sandbox: &sandbox };
        wanted.check_addresses(prev, place)?;

        let mut container = Container::open(&add.netns, ifname)?;
        let present = container.present(&wanted)?;
        let owner = Owner::new(&network.name, &add.attachment);
        let identity = container.identity()?;
        let (backup, earlier) = Backup::find(network.conf.data_dir(), &owner, &network.name)?;
        let before = earlier.map_or_else(|| present.clone(), |known| known.before_all(identity, ifname, &present));
        backup.write(&Record::new(&network.name, &add.attachment, identity, &before), undo)?;
        container.tune(&wanted, present, undo)?;
        Ok(wanted.result(prev, place))
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let owner = Owner::new(&del.network.name, &del.attachment);
        let (backup, record) = Backup::find(del.network.conf.data_dir(), &owner, &del.network.name)?;
        if let (Some(record), Some(path)) = (&record, &del.netns) {
            container::restore(path, &del.attachment.ifname, record)?;
        }
        backup.remove()
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let ifname = &check.attachment.ifname;
        let wanted = Tuning::new(&check.network.conf, &check.args, ifname)?;
        let result = check.network.required_prev_result()?;
        if wanted.is_empty() {
            return Ok(());
        }
        let sandbox = check.netns.display().to_string();
        let container = Container::open(&check.netns, ifname)?;
        container.check(&wanted, result, Place { ifname, sandbox: &sandbox })
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        backup::remove_garbage(gc.network.conf.data_dir(), &gc.network.name, &gc.keep)
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
        // Keys do not depend on the interface's name.
        let wanted = Tuning::new(&status.network.conf, "", "eth0").map_err(not_ready)?;
        let list = AllowList::read().map_err(not_ready)?;
        list.map_or(Ok(()), |list| list.check(&wanted.sysctls)).map_err(not_ready)?;
        backup::check_usable(status.network.conf.data_dir()).map_err(not_ready)?;
        Rtnl::open(&here()).map(drop).map_err(kernel).map_err(not_ready)
    }
}

/// The list is read only for who sets a sysctl.
fn check_allowed(wanted: &Tuning) -> Result<()> {
    if wanted.sysctls.is_empty() {
        return Ok(());
    }
    AllowList::read()?.map_or(Ok(()), |list| list.check(&wanted.sysctls))
}
