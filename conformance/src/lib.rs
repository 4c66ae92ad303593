//! The runtime side of CNI: what a container runtime does to attach a container to a network.
//!
//! * [`load()`]: find a network by name and decode it to a [`NetworkList`].
//! * [`Runner`]: run ADD, CHECK, DEL, GC and STATUS over a list, or validate it.
//! * [`Cache`]: what CHECK, DEL and GC need to know of an ADD; the files are libcni's.
//! * [`Executor`], [`request()`], [`Success`], [`Failure`]: one call of one plugin: its environment, stdin, result and error.
//!
//! It knows plugins only from the outside, as JSON and processes, and shares no code with those of this workspace: what both
//! sides got wrong in the same way would go unnoticed. It prints nothing; what is worth telling goes to an [`Observer`].
//!
//! ```no_run
//! use conformance::{Attachment, AttachmentKey, Cache, Deaf, Executor, OnFailedAdd, Runner, load};
//! use std::path::Path;
//!
//! let list = load(Path::new("/etc/cni/net.d"), "mynet", &Deaf)?;
//! let executor = Executor { path: "/opt/cni/bin".into(), timeout: None };
//! let runner = Runner { executor, cache: Cache::new(Path::new("/var/lib/cni")), observer: &Deaf };
//! let attachment = Attachment {
//!     key: AttachmentKey { container_id: "c1".into(), ifname: "eth0".into() },
//!     netns: Some("/run/netns/c1".into()),
//!     args: None,
//!     capability_args: None,
//! };
//! let result = runner.add(&list, &attachment, OnFailedAdd::Delete)?;
//! assert_eq!(result.addresses().len(), 1);
//! runner.del(&list, &attachment)?;
//! # Ok::<(), conformance::Error>(())
//! ```

mod args;
mod attachment;
mod cache;
mod error;
mod exec;
mod failure;
mod gc;
mod id;
mod ident;
mod list;
mod load;
mod object;
mod observer;
mod process;
mod request;
mod result;
mod run;
mod validate;
mod version;

pub use args::Args;
pub use attachment::Attachment;
pub use cache::{Cache, Cached, Entry, Listing};
pub use error::{Error, Result};
pub use exec::{Call, Executor};
pub use failure::{ErrorObject, Failure};
pub use id::{absolute, container_id};
pub use ident::{check_container_id, check_ifname, check_network_name, check_plugin_type};
pub use list::{NetworkList, PluginConf};
pub use load::load;
pub use object::Object;
pub use observer::{Deaf, Observer};
pub use process::Finished;
pub use request::{AttachmentKey, Extra, request, version_request};
pub use result::Success;
pub use run::{OnFailedAdd, Runner};
pub use validate::{Finding, Role};
pub use version::{Command, Version};
