//! What tests of this workspace stand on: a private host, plugins as processes, the kernel's state as text, real packets.
//!
//! * [`Sandbox`]: a host of its own for one test, with containers ([`TestNs`]) and hosts outside.
//! * [`Lan`]: one with a link to a network that others are on.
//! * [`Plugin`], [`Attachment`], [`Chain`]: one call of a binary, the calls of one attachment, plugins in a row.
//! * [`Snapshot`]: what the kernel and the disk hold, to compare before and after.
//! * [`Server`], [`Reply`] and [`TestNs::connect_tcp`], [`TestNs::ask_udp`], [`TestNs::ping`]: does a packet arrive, and from whom.
//! * [`Kills`]: one call, killed at each of its system calls.
//! * [`require`]: skip by name what this machine cannot do; never in CI.
//!
//! It knows the CNI protocol only from the outside (environment, stdin, stdout) and no crate of the workspace, so that it can
//! judge any plugin. There is no mock: a sandbox is the real kernel. The price is that a test binary has to run in a network
//! namespace of its own (`scripts/test` does `unshare -rnm`); anywhere else [`Sandbox::enter`] refuses.
//!
//! Everything here panics when the *test* went wrong, with the command, its input and its output in the message.
//!
//! ```no_run
//! use serde_json::json;
//! use std::time::Duration;
//! use testkit::{Attachment, Sandbox, assert_same};
//!
//! let sandbox = Sandbox::enter();
//! let c1 = sandbox.netns("c1");
//! let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "cni0", "isGateway": true,
//!     "ipam": { "type": "host-local", "subnet": "10.1.0.0/24", "dataDir": sandbox.dir() } });
//! let bridge = Attachment::new(conf, &c1);
//!
//! let result = bridge.add().success();
//! bridge.with_prev(&result).check().silent();
//! let web = c1.listen_tcp("10.1.0.2:80");
//! assert_eq!(sandbox.host().connect_tcp(web.address(), Duration::from_secs(1)).unwrap().server, "c1");
//! drop(web);
//!
//! // The bridge and the lease directory stay: the second attachment must leave everything as the first did.
//! bridge.with_prev(&result).del().silent();
//! let before = sandbox.snapshot(&[sandbox.dir()]);
//! bridge.add().success();
//! bridge.del().silent();
//! assert_same(&before.without(&["last_reserved_ip"]), &sandbox.snapshot(&[sandbox.dir()]).without(&["last_reserved_ip"]));
//! ```
#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "a testkit reports to the test harness by panics; a key that JSON lacks reads as null"
)]

mod attachment;
mod chain;
mod facility;
mod invocation;
mod kills;
mod lan;
mod namespace;
mod output;
mod plugin;
mod probe;
mod process;
mod sandbox;
mod snapshot;

pub use attachment::Attachment;
pub use chain::Chain;
pub use facility::{Facility, require};
pub use invocation::Invocation;
pub use kills::{Killed, Kills};
pub use lan::{Attached, Lan};
pub use namespace::{Ran, TestNs};
pub use output::Output;
pub use plugin::{Plugin, Stdin, Stdout};
pub use probe::{Reply, Server, eventually};
pub use sandbox::{Sandbox, Uplink};
pub use snapshot::{Snapshot, assert_same};
