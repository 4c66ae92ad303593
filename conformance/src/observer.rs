//! What happens beside the result of an operation.

use crate::cache::Entry;

/// Hears what an operation has to tell while it runs. This crate itself prints nothing.
pub trait Observer {
    /// Something is wrong that did not stop the operation: one sentence.
    fn warning(&self, sentence: &str);

    /// What a plugin wrote to its stderr, as it came. Not called when that text became the plugin's error.
    fn plugin_stderr(&self, plugin_type: &str, text: &[u8]);

    /// GC is about to delete an attachment that is not valid any more.
    fn collecting(&self, stale: &Entry);
}

/// An observer that does not listen.
#[derive(Clone, Copy, Debug)]
pub struct Deaf;

impl Observer for Deaf {
    fn warning(&self, _sentence: &str) {}
    fn plugin_stderr(&self, _plugin_type: &str, _text: &[u8]) {}
    fn collecting(&self, _stale: &Entry) {}
}
