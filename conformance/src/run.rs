//! Running a list of plugins: ADD, CHECK, DEL and STATUS (spec: section 3, "Execution of network configurations").
//!
//! As libcni does, without what it lets pass: identifiers are checked for every command, a second ADD is refused, CHECK
//! needs a cached result, an unreadable cache does not stop DEL, and a failed ADD is cleaned up after.

use crate::{
    attachment::{Attachment, Resolved},
    cache::{Cache, Cached, Entry},
    error::{Error, Result},
    exec::{Call, Executor},
    failure::Failure,
    list::{NetworkList, PluginConf},
    observer::Observer,
    request::{AttachmentKey, Extra, request},
    result::Success,
    version::{Command, Version},
};
use std::{fmt, path::Path};

/// Runs commands over lists.
pub struct Runner<'a> {
    /// Where plugins are.
    pub executor: Executor,
    /// What earlier ADDs left for CHECK, DEL and GC.
    pub cache: Cache,
    /// Hears what is beside the result.
    pub observer: &'a dyn Observer,
}

/// What a plugin is called with in a command about an attachment.
#[derive(Clone, Copy)]
struct Step<'a> {
    command: Command,
    attachment: &'a Resolved,
    prev_result: Option<&'a Success>,
}

/// What to do with what a failed ADD has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailedAdd {
    /// Run DEL over the whole list, as the specification asks for.
    Delete,
    /// Leave it, to look at it.
    Leave,
}

impl fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("executor", &self.executor).field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Runner<'_> {
    /// Attaches a container: runs ADD of each plugin in order, and caches the result of the last one.
    ///
    /// # Errors
    /// Before any plugin runs: an identifier, a plugin that is not there, an attachment that exists already. After: the first
    /// plugin that fails, or the cache that cannot be written; both followed by DEL if `on_failure` says so.
    pub fn add(&self, list: &NetworkList, attachment: &Attachment, on_failure: OnFailedAdd) -> Result<Success> {
        attachment.check()?;
        let attachment = attachment.resolve(None);
        attachment.require_netns()?;
        self.refuse_second_add(list, &attachment)?;
        for plugin in &list.plugins {
            self.executor.find(&plugin.plugin_type)?;
        }
        let added = self.add_each(list, &attachment).and_then(|result| {
            self.store(list, &attachment, &result)?;
            Ok(result)
        });
        match (added, on_failure) {
            (Err(cause), OnFailedAdd::Delete) => Err(self.clean_up(list, &attachment, cause)),
            (added, _) => added,
        }
    }

    /// Asks each plugin in order whether the attachment is as ADD left it. Stops at the first that says no.
    ///
    /// Nothing is asked of a list with `disableCheck`.
    ///
    /// # Errors
    /// An identifier; a list before 0.4.0; an attachment without cached result; a plugin that fails.
    pub fn check(&self, list: &NetworkList, attachment: &Attachment) -> Result<()> {
        attachment.check()?;
        if !list.version.allows(Command::Check) {
            let (name, version) = (&list.name, list.version);
            return Err(Error::refused(format!(
                "network {name:?} has version {version}, CHECK is allowed since 0.4.0"
            )));
        }
        if list.disable_check {
            return Ok(());
        }
        let cached = self.cache.read(&list.name, &attachment.key)?;
        let result = result_for_check(list, &attachment.key, &cached)?;
        let attachment = attachment.resolve(entry_of(&cached));
        attachment.require_netns()?;
        let step = Step { command: Command::Check, attachment: &attachment, prev_result: Some(&result) };
        list.plugins.iter().try_for_each(|plugin| self.step(list, plugin, step).map(drop))
    }

    /// Detaches a container: runs DEL of each plugin in reverse order, then forgets the attachment.
    ///
    /// Neither a cached result nor a network namespace is needed.
    ///
    /// # Errors
    /// An identifier; the first plugin that fails, and then what is cached stays for the next try.
    pub fn del(&self, list: &NetworkList, attachment: &Attachment) -> Result<()> {
        attachment.check()?;
        let cached = self.cache.read(&list.name, &attachment.key)?;
        let result = self.result_for_del(list, &cached);
        self.del_each(list, &attachment.resolve(entry_of(&cached)), result.as_ref())
    }

    /// Asks each plugin in order whether it could serve an ADD. Stops at the first that says no.
    ///
    /// Nothing is asked of a list before 1.1.0, which has no such question.
    ///
    /// # Errors
    /// A plugin that fails; [`Error::code`] is then 50 or 51.
    pub fn status(&self, list: &NetworkList) -> Result<()> {
        if !list.version.allows(Command::Status) {
            return Ok(());
        }
        let call = Call::plain(Command::Status);
        list.plugins.iter().try_for_each(|plugin| self.invoke(list, plugin, &call, Extra::Nothing).map(drop))
    }

    /// DEL of each plugin in reverse order with a final result, then the removal from the cache.
    pub(crate) fn del_each(&self, list: &NetworkList, attachment: &Resolved, result: Option<&Success>) -> Result<()> {
        let step = Step { command: Command::Del, attachment, prev_result: result };
        for plugin in list.plugins.iter().rev() {
            self.step(list, plugin, step)?;
        }
        self.cache.remove(&list.name, &attachment.key)
    }

    /// The cached result for DEL, which gets none before 0.4.0 and can do without. What hinders is only told.
    pub(crate) fn result_for_del(&self, list: &NetworkList, cached: &Cached) -> Option<Success> {
        if list.version < Version::V0_4_0 {
            return None;
        }
        match stored_result(list, cached) {
            Ok(result) => result,
            Err(sentence) => {
                self.observer.warning(&format!("run DEL without prevResult: {sentence}"));
                None
            }
        }
    }

    /// Runs one plugin with a command that has a configuration. The answer is its stdout.
    pub(crate) fn invoke(
        &self,
        list: &NetworkList,
        plugin: &PluginConf,
        call: &Call<'_>,
        extra: Extra<'_>,
    ) -> Result<Vec<u8>> {
        let path = self.executor.find(&plugin.plugin_type)?;
        let stdin = request(list, plugin, extra)
            .map_err(|cause| Error::refused(format!("encode request of plugin {:?}: {cause}", plugin.plugin_type)))?;
        self.answer(&path, &plugin.plugin_type, call, &stdin)
            .map_err(|failure| failed(list, plugin, call.command, failure))
    }

    /// Runs one executable, and tells the observer what it wrote to stderr.
    pub(crate) fn answer(
        &self,
        path: &Path,
        plugin_type: &str,
        call: &Call<'_>,
        stdin: &[u8],
    ) -> std::result::Result<Vec<u8>, Failure> {
        let finished = self.executor.call(path, call, stdin).map_err(Failure::NotStarted)?;
        let failure = Failure::of(call.command, &finished);
        if !finished.stderr.is_empty() && !failure.as_ref().is_some_and(Failure::tells_stderr) {
            self.observer.plugin_stderr(plugin_type, &finished.stderr);
        }
        failure.map_or(Ok(finished.stdout), Err)
    }

    fn step(&self, list: &NetworkList, plugin: &PluginConf, step: Step<'_>) -> Result<Vec<u8>> {
        let Step { command, attachment, prev_result } = step;
        let args = attachment.args.to_string();
        let call = Call {
            command,
            container_id: &attachment.key.container_id,
            netns: &attachment.netns,
            ifname: &attachment.key.ifname,
            args: &args,
        };
        let extra = Extra::Attachment { capability_args: &attachment.capability_args, prev_result };
        self.invoke(list, plugin, &call, extra)
    }

    /// A second ADD without a DEL is forbidden (spec: section 2, "ADD"); it would fail, and cleaning up after it would detach
    /// what the first has attached.
    fn refuse_second_add(&self, list: &NetworkList, attachment: &Resolved) -> Result<()> {
        let what = described(list, &attachment.key);
        let path = self.cache.path(&list.name, &attachment.key);
        let path = path.display();
        match self.cache.read(&list.name, &attachment.key)? {
            Cached::Missing => Ok(()),
            Cached::Corrupt(why) => Err(Error::refused(format!(
                "{what} may be attached already, DEL has to come first: {path} cannot be read: {why}"
            ))),
            Cached::Entry(_) | Cached::Legacy(_) => {
                Err(Error::refused(format!("{what} is attached already, DEL has to come first: cached in {path}")))
            }
            Cached::Foreign(other) => {
                let other = format!("container {:?} in network {:?}", other.container_id, other.network);
                Err(Error::refused(format!("{what} cannot be cached: {path} belongs to {other}")))
            }
        }
    }

    /// ADD of each plugin in order, each with the result of the one before, in the version of the list.
    fn add_each(&self, list: &NetworkList, attachment: &Resolved) -> Result<Success> {
        let mut previous: Option<Success> = None;
        for plugin in &list.plugins {
            let step = Step { command: Command::Add, attachment, prev_result: previous.as_ref() };
            let stdout = self.step(list, plugin, step)?;
            let result = Success::decode(&stdout, list.version).and_then(|result| result.convert(list.version));
            previous = Some(result.map_err(|sentence| {
                let failure = Failure::WrongAnswer(format!("its result cannot be used: {sentence}"));
                failed(list, plugin, Command::Add, failure)
            })?);
        }
        previous.ok_or_else(|| Error::refused(format!("network {:?} has no plugins", list.name)))
    }

    fn store(&self, list: &NetworkList, attachment: &Resolved, result: &Success) -> Result<()> {
        let mut entry = Entry::new(&list.name, &attachment.key, &list.text);
        entry.netns.clone_from(&attachment.netns);
        entry.args = attachment.args.clone();
        entry.capability_args = attachment.capability_args.clone();
        entry.result = Some(result.to_value());
        self.cache.store(&entry)
    }

    /// DEL over the whole list, beyond plugins that fail: what can be removed shall be.
    fn clean_up(&self, list: &NetworkList, attachment: &Resolved, cause: Error) -> Error {
        let step = Step { command: Command::Del, attachment, prev_result: None };
        let failures = list.plugins.iter().rev().filter_map(|plugin| self.step(list, plugin, step).err());
        match Error::join(failures.collect()) {
            Ok(()) => cause,
            Err(left) => Error::NotCleanedUp { cause: Box::new(cause), left: Box::new(left) },
        }
    }
}

fn failed(list: &NetworkList, plugin: &PluginConf, command: Command, failure: Failure) -> Error {
    Error::Plugin { plugin: plugin.plugin_type.clone(), network: list.name.clone(), command, failure }
}

fn described(list: &NetworkList, key: &AttachmentKey) -> String {
    format!("interface {:?} of container {:?} in network {:?}", key.ifname, key.container_id, list.name)
}

fn entry_of(cached: &Cached) -> Option<&Entry> {
    match cached {
        Cached::Entry(entry) => Some(entry),
        Cached::Missing | Cached::Legacy(_) | Cached::Foreign(_) | Cached::Corrupt(_) => None,
    }
}

/// The cached result in the version of the list, if there is one; a sentence if it is of no use.
fn stored_result(list: &NetworkList, cached: &Cached) -> std::result::Result<Option<Success>, String> {
    let result = match cached {
        Cached::Entry(entry) => entry.result.as_ref(),
        Cached::Legacy(result) => Some(result),
        Cached::Missing | Cached::Foreign(_) => None,
        Cached::Corrupt(sentence) => return Err(sentence.clone()),
    };
    let Some(result) = result else { return Ok(None) };
    let converted = Success::from_value(result.clone(), list.version).and_then(|result| result.convert(list.version));
    converted.map(Some).map_err(|sentence| format!("the cached result cannot be used: {sentence}"))
}

/// The cached result for CHECK, which needs one.
fn result_for_check(list: &NetworkList, key: &AttachmentKey, cached: &Cached) -> Result<Success> {
    let result = stored_result(list, cached).map_err(|sentence| Error::refused(format!("CHECK: {sentence}")))?;
    result.ok_or_else(|| {
        let what = described(list, key);
        Error::refused(format!("{what} has no cached result, CHECK is allowed after ADD and before DEL"))
    })
}
