//! The container's network namespace where it may have gone.

use std::path::Path;

use cni::Result;
use net::{Errno, Netns};

use crate::kernel;

/// The namespace of a DEL: `None` if the runtime names none, or it has gone.
///
/// # Errors
/// What does not say that it has gone, such as a lack of descriptors: the next DEL may find it.
pub fn open_if_there(path: Option<&Path>) -> Result<Option<Netns>> {
    match path.map(Netns::open).transpose() {
        Err(error) if is_gone(&error) => Ok(None),
        opened => opened.map_err(kernel),
    }
}

/// Whether an error says that a network namespace has gone: its mount point too, or only that is left, or there is something
/// else in its place.
pub fn is_gone(error: &net::Error) -> bool {
    error.is_not_found() || matches!(error.errno, Errno::EINVAL | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO)
}
