//! A plugin that panics, for `tests/panic.rs`: on the calling thread, or on another if `CNI_IFNAME` says so.

use std::{path::Path, process::ExitCode, thread};

use cni::{Add, Check, Del, Gc, Plugin, Result, Status, Success, Undo};

fn main() -> ExitCode {
    cni::skel::main::<Panics>()
}

struct Panics;

#[derive(serde::Deserialize)]
struct Conf {
    file: String,
}

impl Plugin for Panics {
    const NAME: &'static str = "panics";
    type Conf = Conf;

    #[expect(clippy::panic, reason = "that is what it is for")]
    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let file = add.network.conf.file.clone();
        undo.push("file", move || {
            let _ = std::fs::remove_file(Path::new(&file));
            Ok(())
        });
        if add.attachment.ifname == "thread" {
            let _ = thread::spawn(|| panic!("on a thread")).join();
        }
        panic!("on the main thread");
    }

    fn del(_: &Del<Conf>) -> Result<()> {
        Ok(())
    }

    fn check(_: &Check<Conf>) -> Result<()> {
        Ok(())
    }

    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(_: &Status<Conf>) -> Result<()> {
        Ok(())
    }
}
