//! GC: removing attachments that are not valid any more (spec: section 2, "GC").

use crate::{
    attachment::Resolved,
    cache::{Cached, Entry},
    error::{Error, Result},
    exec::Call,
    ident::{check_container_id, check_ifname},
    list::NetworkList,
    request::{AttachmentKey, Extra},
    run::Runner,
    version::{Command, Version},
};

impl Runner<'_> {
    /// Removes all attachments of a network but the `valid` ones.
    ///
    /// First, DEL of those that the cache knows, with the arguments of their ADD. Then, since 1.1.0, GC of each plugin, which
    /// finds what nobody else remembers. Nothing is done for a list with `disableGC`.
    ///
    /// # Errors
    /// An identifier in `valid`, before anything is done. After that everything is tried, and all failures are told together.
    pub fn gc(&self, list: &NetworkList, valid: &[AttachmentKey]) -> Result<()> {
        for key in valid {
            check_container_id(&key.container_id)?;
            check_ifname(&key.ifname)?;
        }
        if list.disable_gc {
            return Ok(());
        }
        let mut failures = self.delete_stale(list, valid);
        if list.version.allows(Command::Gc) {
            failures.extend(self.gc_each(list, valid));
        }
        Error::join(failures)
    }

    /// Removes all attachments of a network, and what plugins keep of it: DEL of those that the cache knows, and GC without any that
    /// is valid. That is asked for, so it is done for a list with `disableGC` as well, and GC is called in version 1.1.0
    /// where the list's is older and has none.
    ///
    /// # Errors
    /// Everything is tried, and all failures are told together.
    pub fn remove_network(&self, list: &NetworkList) -> Result<()> {
        let mut failures = self.delete_stale(list, &[]);
        let version = list.version.max(Version::V1_1_0);
        failures.extend(self.gc_each(&NetworkList { version, ..list.clone() }, &[]));
        Error::join(failures)
    }

    fn delete_stale(&self, list: &NetworkList, valid: &[AttachmentKey]) -> Vec<Error> {
        match self.stale(list, valid) {
            Ok(stale) => stale.iter().filter_map(|entry| self.collect(list, entry).err()).collect(),
            Err(error) => vec![error],
        }
    }

    fn gc_each(&self, list: &NetworkList, valid: &[AttachmentKey]) -> Vec<Error> {
        let call = Call::plain(Command::Gc);
        let each = list.plugins.iter().map(|plugin| self.invoke(list, plugin, &call, Extra::Gc(valid)));
        each.filter_map(std::result::Result::err).collect()
    }

    /// The cached attachments of the network that are not `valid`.
    fn stale(&self, list: &NetworkList, valid: &[AttachmentKey]) -> Result<Vec<Entry>> {
        let listing = self.cache.list()?;
        for sentence in &listing.unreadable {
            self.observer.warning(sentence);
        }
        let is_stale = |entry: &Entry| entry.network == list.name && !valid.contains(&entry.key());
        Ok(listing.entries.into_iter().filter(is_stale).collect())
    }

    fn collect(&self, list: &NetworkList, stale: &Entry) -> Result<()> {
        // A cache is shared: its files are no better checked than a user's words.
        check_container_id(&stale.container_id)?;
        check_ifname(&stale.ifname)?;
        self.observer.collecting(stale);
        let result = self.result_for_del(list, &Cached::Entry(Box::new(stale.clone())));
        self.del_each(list, &Resolved::from(stale), result.as_ref())
    }
}
