//! How far a run is, for people who wait at a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A line on stderr that overwrites itself; nothing where stderr is no terminal.
#[derive(Debug)]
pub struct Progress {
    shows: bool,
    done: AtomicUsize,
    all: usize,
}

impl Progress {
    /// Of so many steps.
    pub fn new(all: usize) -> Self {
        Self { shows: io::stderr().is_terminal(), done: AtomicUsize::new(0), all }
    }

    /// The next one begins.
    pub fn step(&self, name: &str) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.show(&format!("{done} of {}: {name}", self.all));
    }

    /// Leaves an empty line for the report.
    pub fn clear(&self) {
        self.show("");
    }

    /// A terminal that went away is no failure.
    fn show(&self, text: &str) {
        if self.shows {
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}
