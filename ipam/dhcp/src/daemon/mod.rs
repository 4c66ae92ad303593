//! `dhcp daemon`: asks servers on behalf of the plugin, and keeps what they give.
//!
//! One thread takes connections, each of which has a thread of its own, and one looks at the agenda; a lease that has to be extended
//! gets a thread for as long as that takes. Between these moments a lease costs nothing, and nothing in the container is held open, which
//! would keep its network namespace alive.

mod acquire;
mod agenda;
mod flags;
mod leases;
mod maintain;
mod serve;
mod socket;
mod talk;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cni::{Code, Error, Result};
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

use crate::{record::Record, release, schedule::Patience, store::Store};

use flags::{Flags, Misuse, USAGE};
use leases::{Entry, Leases};

/// How long an ADD that is under way may take to see that the daemon ends.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What all threads share.
#[derive(Debug)]
struct Daemon {
    prefix: PathBuf,
    patience: Patience,
    broadcast: bool,
    store: Store,
    leases: Leases,
}

/// Runs until it is told to stop.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(misuse) => return explain(misuse),
    };
    // Its log is read afterwards: what happens to a lease is told without being asked for.
    env_logger::Builder::from_env(env_logger::Env::default().filter_or("MOORING_LOG", "info")).init();
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn explain(misuse: Misuse) -> ExitCode {
    let (text, status) = match misuse {
        Misuse::Help => (USAGE.to_owned(), 0),
        Misuse::Wrong(why) => (format!("dhcp daemon: {why}\n{USAGE}"), 2),
    };
    // Where nobody reads it the status remains.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(status)
}

fn run(flags: Flags) -> Result<()> {
    // Before any thread starts: each inherits it, and signals wait for who asks for them.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    let failed = |errno: nix::errno::Errno| Error::new(Code::Internal, format!("take signals: {errno}"));
    signals.thread_block().map_err(failed)?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map_err(failed)?;

    let listening = socket::Listening::begin(&flags)?;
    let daemon = Arc::new(Daemon {
        prefix: flags.prefix,
        patience: flags.patience,
        broadcast: flags.broadcast,
        store: listening.store().clone(),
        leases: Leases::default(),
    });
    let kept = daemon.resume()?;
    let agenda = thread::spawn({
        let daemon = Arc::clone(&daemon);
        move || agenda::run(&daemon)
    });
    log::info!("listening on {}, with {kept} attachments from before", listening.path().display());
    let ended = listening.accept_until(&signals, |stream| {
        let daemon = Arc::clone(&daemon);
        // Where no thread can be had, who called sees the end of the conversation.
        if let Err(error) = thread::Builder::new().spawn(move || serve::serve(&daemon, stream)) {
            log::error!("start a thread: {error}");
        }
    });
    daemon.leases.stop(Instant::now() + LAST_WAIT);
    let _ = agenda.join();
    listening.end();
    log::info!("stopped; leases stay, and the next daemon goes on with them");
    ended
}

impl Daemon {
    /// Goes on with the leases of an earlier daemon. Returns how many attachments there are.
    fn resume(&self) -> Result<usize> {
        self.store.remove_leftovers();
        let mut kept = 0;
        for found in self.store.list(None)? {
            let Some(record) = &found.record else { continue };
            let families = record.families();
            let entry = self.leases.insert(record.clone());
            if maintain::is_there(self, &entry) {
                kept += 1;
                let now = crate::moment::Moment::now();
                for family in families {
                    self.leases.plan(&entry, family, now);
                }
            }
        }
        Ok(kept)
    }

    /// Ends an attachment's leases, and tells the servers.
    fn release(&self, entry: &Entry) -> Result<()> {
        let record = self.leases.remove(entry);
        // First: without its file nobody goes on with it.
        let removed = self.store.remove(&entry.key);
        if let Some(record) = record {
            release::record(&record, &self.prefix);
        }
        removed
    }

    /// Ends them without a word: there is nothing left to speak from.
    fn forget(&self, entry: &Entry) {
        self.leases.remove(entry);
        if let Err(error) = self.store.remove(&entry.key) {
            log::warn!("{error}");
        }
    }

    /// Writes what has changed, unless the lease is somebody's no more.
    fn save(&self, record: &Record) {
        if let Err(error) = self.store.write(record) {
            // The lease goes on; a daemon that is started anew knows less of it.
            log::error!("{error}");
        }
    }
}
