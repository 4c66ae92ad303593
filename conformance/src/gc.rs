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
    version::Command,
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
        let mut failures = Vec::new();
        match self.stale(list, valid) {
            Ok(stale) => failures.extend(stale.iter().filter_map(|entry| self.collect(list, entry).err())),
            Err(error) => failures.push(error),
        }
        if list.version.allows(Command::Gc) {
            let call = Call::plain(Command::Gc);
            let each = list.plugins.iter().map(|plugin| self.invoke(list, plugin, &call, Extra::Gc(valid)));
            failures.extend(each.filter_map(std::result::Result::err));
        }
        Error::join(failures)
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
