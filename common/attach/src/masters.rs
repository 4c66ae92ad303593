//! Links that others are ports of, and that go with their last port, such as bridges and VRFs.
//!
//! No request of the kernel's removes a link only if it has no ports: between the look and the removal one may come. So whoever adds a port
//! keeps these links meanwhile, and whoever removes one is alone. It is a lock (flock(2)) on a file that every network namespace has
//! and only its root may open; nothing is written to it, and the kernel releases it when the process ends, however that ends.

use std::fs::File;

use net::Inside;

/// Readable for the namespace's root alone (`tcp_fastopen_key`, `net/ipv4/sysctl_net_ipv4.c`).
const OBJECT: &str = "/proc/sys/net/ipv4/tcp_fastopen_key";

/// Keeps them all, together with others who do, until it is dropped. None where that is not possible.
pub fn keep(_: &Inside<'_>) -> Option<File> {
    open().filter(|file| file.lock_shared().is_ok())
}

/// Waits until nobody keeps any, and is alone with them until it is dropped. None where that is not possible.
pub fn alone(_: &Inside<'_>) -> Option<File> {
    open().filter(|file| file.lock().is_ok())
}

fn open() -> Option<File> {
    File::open(OBJECT).ok()
}
