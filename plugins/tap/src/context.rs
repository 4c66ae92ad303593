//! Making the tap in another SELinux context than the plugin's.
//!
//! A tap belongs to the context of the task that makes it, and who opens it later needs the policy's leave to take it over from
//! that context (`selinux_tun_dev_create`, `selinux_tun_dev_attach`; `security/selinux/hooks.c`). The context of a process with
//! several threads cannot be changed (`selinux_lsm_setattr`), and who has changed it may not do what an ADD has still to do. But
//! a program can be started in another context. It is this one, which then makes the tap and does nothing else.

use std::{
    env,
    ffi::OsString,
    fs,
    process::{Command, ExitCode, Stdio},
    thread,
};

use cni::{Error, Result};
use net::{Errno, Inside, Tap, TapSpec, here, tun};

/// The first argument of a process that makes a tap. A plugin has none.
const ORDER: &str = "create-tap";
/// The context of the thread's next program.
const NEXT: &str = "/proc/thread-self/attr/exec";
/// How a number that is unset is handed over.
const UNSET: &str = "-";

/// Makes the tap inside, in `context`.
pub fn add_tap(_: &Inside<'_>, spec: &TapSpec, context: &str) -> net::Result<()> {
    let doing = || format!("create tap \"{}\" in SELinux context {context}", spec.name);
    // It goes with the thread.
    fs::write(NEXT, context).map_err(|error| net::Error::io(doing(), &error))?;
    #[expect(clippy::disallowed_methods, reason = "a process with threads cannot go to another context, a new one can")]
    let mut maker = Command::new("/proc/self/exe");
    maker.arg(ORDER).args(to_arguments(spec)).env_clear();
    maker.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = maker.status().map_err(|error| net::Error::io(doing(), &error))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(errno) => Err(net::Error::new(doing(), Errno::from_raw(errno))),
        None => Err(net::Error::new(doing(), Errno::EINTR)),
    }
}

/// Fails with code 7 if the kernel does not take the context.
pub fn check(context: &str) -> Result<()> {
    // On a thread that ends without starting a program.
    let taken = thread::scope(|scope| scope.spawn(|| fs::write(NEXT, context)).join());
    let Ok(Err(error)) = taken else { return Ok(()) };
    let why = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EINVAL) => "SELinux is off, or its policy has no such context",
        _ => "the kernel does not let the plugin start a program in it",
    };
    Err(Error::invalid(format!("\"selinuxContext\" \"{context}\": {why}")).details(error.to_string()))
}

/// Makes a tap and nothing else, if that is what the process was started for. Its exit status is the kernel's error.
pub fn serve() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != ORDER {
        return None;
    }
    let done = from_arguments(&arguments.collect::<Vec<_>>()).ok_or(Errno::EINVAL);
    let done = done.and_then(|spec| tun::add_tap(&here(), &spec).map_err(|error| error.errno));
    // Those of Linux are below 134.
    Some(
        done.map_or_else(|errno| ExitCode::from(u8::try_from(errno as i32).unwrap_or(u8::MAX)), |()| ExitCode::SUCCESS),
    )
}

fn to_arguments(spec: &TapSpec) -> [String; 4] {
    let TapSpec { name, tap: Tap { owner, group, multi_queue } } = spec;
    let id = |id: &Option<u32>| id.map_or(UNSET.to_owned(), |id| id.to_string());
    [name.clone(), id(owner), id(group), multi_queue.to_string()]
}

fn from_arguments(arguments: &[OsString]) -> Option<TapSpec> {
    let [name, owner, group, multi_queue] = arguments else { return None };
    let id = |text: &OsString| match text.to_str()? {
        UNSET => Some(None),
        text => text.parse().ok().map(Some),
    };
    let tap = Tap { owner: id(owner)?, group: id(group)?, multi_queue: multi_queue.to_str()?.parse().ok()? };
    Some(TapSpec { name: name.to_str()?.to_owned(), tap })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_survive_the_way() {
        for tap in [
            Tap::default(),
            Tap { owner: Some(0), group: None, multi_queue: true },
            Tap { owner: Some(1000), group: Some(4_294_967_294), multi_queue: false },
        ] {
            let spec = TapSpec { name: "veth0".into(), tap };
            let arguments = to_arguments(&spec).map(OsString::from);
            assert_eq!(from_arguments(&arguments), Some(spec));
        }
        for junk in
            [&["a", "-", "-"][..], &["a", "x", "-", "true"], &["a", "-", "-", "1"], &["a", "-", "-", "true", "b"]]
        {
            let junk: Vec<_> = junk.iter().map(OsString::from).collect();
            assert_eq!(from_arguments(&junk), None);
        }
    }
}
