//! Has done what has to be done, when it has to be.

use std::{sync::Arc, thread};

use super::{Daemon, maintain};
use crate::moment::Moment;

/// How long to wait when there is no thread to be had, in milliseconds.
const REST: u64 = 1000;

/// Until the daemon stops. Conversations with servers that do not answer take long: each has a thread.
pub fn run(daemon: &Arc<Daemon>) {
    while let Some((entry, family)) = daemon.leases.due() {
        let (shared, again) = (Arc::clone(daemon), Arc::clone(&entry));
        if let Err(error) = thread::Builder::new().spawn(move || maintain::work(&shared, &entry, family)) {
            log::error!("start a thread: {error}");
            daemon.leases.plan(&again, family, Moment::now().plus_millis(REST));
        }
    }
}
