//! The programs.

use std::{env, ffi::OsString, path::PathBuf, process::Output};

use crate::{Batch, Error, Result, Saved, run_to_end};

/// How often a batch is made anew because others change the same table.
const TRIES: usize = 16;

/// How often a table is read to see it twice the same.
const READINGS: usize = 4;

/// Where the programs are when PATH does not say: some runtimes have no `sbin` in theirs.
const SBIN: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// The programs of one family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Iptables {
    /// `iptables-save` and `iptables-restore`.
    V4,
    /// `ip6tables-save` and `ip6tables-restore`.
    V6,
}

impl Iptables {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// `iptables` or `ip6tables`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }

    /// Whether the programs are installed.
    pub fn is_installed(self) -> bool {
        find(&self.program("restore")).is_some()
    }

    /// What a table holds. Reading it makes the kernel's modules for it load.
    ///
    /// `iptables-save` on `nf_tables` may print half of a table and succeed, when its question to the kernel is interrupted: there
    /// it reads until it sees twice the same.
    pub fn save(self, table: &'static str) -> Result<Saved> {
        let mut saved = self.glance(table)?;
        for _ in 1..READINGS {
            if saved.is_certain {
                break;
            }
            let mut again = self.glance(table)?;
            again.is_certain |= again.holds_the_same(&saved);
            saved = again;
        }
        Ok(saved)
    }

    /// The same, read once: what it shows is there, and what it lacks may be there as well.
    pub fn glance(self, table: &'static str) -> Result<Saved> {
        let doing = format!("run {} of table \"{table}\"", self.program("save"));
        let output = self.run("save", &["-t", table], "", &doing)?;
        Ok(Saved::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Applies a batch: all of it, or nothing. An empty one starts no process.
    pub fn restore(self, batch: &Batch) -> Result<()> {
        let doing = format!("run {} of table \"{}\"", self.program("restore"), batch.table());
        if let Some(line) = batch.broken_line() {
            return Err(Error::new(doing, format!("a line must not contain control characters: {line:?}")));
        }
        if batch.is_empty() {
            return Ok(());
        }
        match self.run("restore", &["--noflush", "--wait"], &batch.to_string(), &doing) {
            Err(error) if !error.is_missing => Err(explained(error, batch)),
            done => done.map(drop),
        }
    }

    /// Reads a table, has `plan` make a batch of what it holds, and applies that; again from the start when it fails and
    /// somebody else changed the table meanwhile. Returns at once when the batch is empty.
    pub fn change(self, table: &'static str, mut plan: impl FnMut(&Saved) -> Batch) -> Result<()> {
        self.try_change(table, self.save(table)?, |saved| Ok(plan(saved)))
    }

    /// The same with one process less: for plans that tell by [`Batch::doubt`] what they are not to do for a table's half.
    pub fn ensure(self, table: &'static str, mut plan: impl FnMut(&Saved) -> Batch) -> Result<()> {
        self.try_change(table, self.glance(table)?, |saved| Ok(plan(saved)))
    }

    /// The same of a table that was read before, with a `plan` that may refuse: then nothing has changed.
    pub fn try_change<E: From<Error>>(
        self,
        table: &'static str,
        mut saved: Saved,
        mut plan: impl FnMut(&Saved) -> std::result::Result<Batch, E>,
    ) -> std::result::Result<(), E> {
        for _ in 1..TRIES {
            let mut batch = plan(&saved)?;
            if batch.is_doubtful() && !saved.is_certain {
                saved = self.save(table)?;
                batch = plan(&saved)?;
            }
            let Err(error) = self.restore(&batch) else { return Ok(()) };
            let now = self.save(table)?;
            if now.holds_the_same(&saved) {
                return Err(error.into());
            }
            saved = now;
        }
        Ok(self.restore(&plan(&saved)?)?)
    }

    fn program(self, what: &str) -> String {
        format!("{}-{what}", self.name())
    }

    fn run(self, what: &str, options: &[&str], input: &str, doing: &str) -> Result<Output> {
        let program = self.program(what);
        let path = find(&program).ok_or_else(|| Error {
            is_missing: true,
            ..Error::new(doing, format!("no {program} in PATH or {SBIN}"))
        })?;
        let output = run_to_end(&path, options, input).map_err(|error| Error::new(doing, error))?;
        if output.status.success() {
            return Ok(output);
        }
        let details = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error { details, ..Error::new(doing, output.status) })
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":"));
    path.push(SBIN);
    env::split_paths(&path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// The error with the line that it names by number only.
fn explained(error: Error, batch: &Batch) -> Error {
    let number = error.details.split("line").nth(1).map(|rest| rest.trim_start_matches([':', ' ']));
    let number = number.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    match number.and_then(|number| batch.line(number)) {
        Some(line) => Error { details: format!("{}: {line}", error.details), ..error },
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;

    #[test]
    fn error_shows_the_line_that_it_names() {
        let mut batch = Batch::new("nat");
        batch.create_chain("CNI-T");
        batch.append("CNI-T", &Rule::new(["-j", "NOWHERE"]));
        let told = |details: &str| {
            let error = Error { details: details.into(), ..Error::new("run iptables-restore", "exit status: 1") };
            explained(error, &batch).details
        };
        assert_eq!(told("iptables-restore: line 2 failed"), "iptables-restore: line 2 failed: -N CNI-T");
        assert_eq!(
            told("Error occurred at line: 3\nTry help"),
            "Error occurred at line: 3\nTry help: -A CNI-T -j NOWHERE"
        );
        assert_eq!(told("no such table"), "no such table");
    }

    #[test]
    fn batch_with_two_lines_in_one_is_refused() {
        let mut batch = Batch::new("nat");
        batch.append("PREROUTING", &Rule::new(["-j", "a\nCOMMIT"]));
        let error = Iptables::V4.restore(&batch).unwrap_err();
        assert!(error.to_string().contains("control characters"), "{error}");
    }
}
