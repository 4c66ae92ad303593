//! The CNI protocol, without the kernel: what a runtime sends (environment and standard input), what a plugin answers
//! (a result, an error), and the skeleton that turns a [`Plugin`] into an executable.
//!
//! The skeleton owns standard output, the exit status and the undo log, so that a plugin can only return a value or an
//! error: exactly one JSON document is printed, and a failed ADD is undone, whatever the plugin does.
//!
//! "spec" in this documentation is <https://www.cni.dev/docs/spec/>.

mod address;
pub mod args;
pub mod conf;
pub mod delegate;
mod env;
mod error;
mod ident;
pub mod json;
mod plugin;
mod repeated;
mod result;
pub mod skel;
mod undo;
mod version;
pub mod wire;

pub use address::{parse_cidr, parse_ip};
pub use delegate::{Delegate, Started};
pub use error::{Code, Error, Result};
pub use ident::{Attachment, check_container_id, check_ifname, check_network_name};
pub use plugin::{Add, Check, Del, Gc, Network, Plugin, Status};
pub use result::{Dns, Interface, IpConfig, Route, Success};
pub use undo::Undo;
pub use version::{Command, Version};
