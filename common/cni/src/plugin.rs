//! What a plugin is, and what it is asked.

use std::{collections::BTreeSet, path::PathBuf};

use serde::de::DeserializeOwned;

use crate::{Attachment, Delegate, Error, Result, Success, Undo, Version};

/// A CNI plugin. There is no `self`: a plugin has no state between calls.
///
/// The skeleton has checked the environment and the version, decoded the configuration, and, where
/// [`Plugin::HAS_IPAM`] says so, has already forwarded DEL, CHECK, GC and STATUS to the delegate.
pub trait Plugin {
    /// The CNI type, which is the executable's name.
    const NAME: &'static str;

    /// The versions that the plugin supports, oldest first.
    const VERSIONS: &'static [Version] = &Version::ALL;

    /// Whether `ipam.type` names a delegate of this plugin.
    const HAS_IPAM: bool = false;

    /// The objects of the configuration in which no key may be twice, each with the keys that lead there. Elsewhere the last
    /// of equal keys wins.
    const WITHOUT_DUPLICATES: &'static [&'static [&'static str]] = &[];

    /// The plugin's own keys, as the JSON has them: no defaults, no checks.
    type Conf: DeserializeOwned;

    /// Attaches. Whatever `undo` holds is run if this, or writing the result, fails.
    fn add(add: &Add<Self::Conf>, undo: &mut Undo) -> Result<Success>;

    /// Detaches as much as there is; nothing left to do is success.
    fn del(del: &Del<Self::Conf>) -> Result<()>;

    /// Fails if the attachment is not as ADD made it.
    fn check(check: &Check<Self::Conf>) -> Result<()>;

    /// Removes everything of the network that belongs to no attachment in [`Gc::keep`].
    fn gc(gc: &Gc<Self::Conf>) -> Result<()>;

    /// Fails with [`crate::Code::NotReady`] if an ADD would.
    fn status(status: &Status<Self::Conf>) -> Result<()>;
}

/// The network of a request.
#[derive(Debug, Clone)]
pub struct Network<C> {
    /// The network's name.
    pub name: String,
    /// The configuration's version, which is that of the result.
    pub version: Version,
    /// The plugin's own keys.
    pub conf: C,
    /// The delegate that manages addresses, if the plugin [has one](Plugin::HAS_IPAM) and the configuration names one.
    pub ipam: Option<Delegate>,
    /// `gatewayPriority`, a key of ours: of several networks of a container the one with the lowest leads outside. Not on DEL
    /// and GC.
    pub gateway_priority: Option<u16>,
    /// The result before ours in the chain; on DEL and CHECK that of the whole ADD.
    pub prev_result: Option<Success>,
}

/// Attach.
#[derive(Debug, Clone)]
pub struct Add<C> {
    /// The network.
    pub network: Network<C>,
    /// The interface to make.
    pub attachment: Attachment,
    /// `CNI_NETNS`. Not the plugin's own network namespace.
    pub netns: PathBuf,
    /// `CNI_ARGS`, for [`crate::args::parse`].
    pub args: String,
}

/// Detach. `CNI_ARGS` is not here: it may differ from that of the ADD and must not make a DEL fail.
#[derive(Debug, Clone)]
pub struct Del<C> {
    /// The network; a `prevResult` that cannot be read counts as absent.
    pub network: Network<C>,
    /// The interface to remove.
    pub attachment: Attachment,
    /// `CNI_NETNS`; none if it is empty or the plugin's own. It may have gone.
    pub netns: Option<PathBuf>,
}

/// Verify.
#[derive(Debug, Clone)]
pub struct Check<C> {
    /// The network.
    pub network: Network<C>,
    /// The interface to verify.
    pub attachment: Attachment,
    /// `CNI_NETNS`.
    pub netns: PathBuf,
    /// `CNI_ARGS`, for [`crate::args::parse`].
    pub args: String,
}

/// Collect garbage. Asked only if the runtime has said what stays.
#[derive(Debug, Clone)]
pub struct Gc<C> {
    /// The network.
    pub network: Network<C>,
    /// The attachments that stay.
    pub keep: BTreeSet<Attachment>,
}

/// Tell whether an ADD could be served.
#[derive(Debug, Clone)]
pub struct Status<C> {
    /// The network.
    pub network: Network<C>,
}

impl<C> Network<C> {
    /// The previous result, where a command cannot do without.
    pub fn required_prev_result(&self) -> Result<&Success> {
        self.prev_result.as_ref().ok_or_else(|| Error::invalid("required prevResult missing"))
    }

    /// The result of an ADD that made `own`: a plugin hands on what the one before it made (spec: section 5, "Success").
    /// Before 0.3.0 there was none before it, and no place for two addresses of a family.
    pub fn extend_prev_result(&self, own: Success) -> Success {
        match &self.prev_result {
            Some(earlier) if self.version >= Version::V0_3_0 => own.behind(earlier),
            _ => own,
        }
    }
}
