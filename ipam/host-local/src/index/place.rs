//! Where an index is, and when it is believed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    file,
    index::{Index, mark::Marked, page::PAGE, table::Table},
};

/// The first line of the header. Another number is another format.
const MAGIC: &str = "mooring host-local index 1\n";

/// The file of an index, and the directory that it speaks of.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// Held open, so that it stays the one that is locked.
    dir: File,
    salt: u64,
    boot: String,
}

impl Place {
    /// That of the directory of leases `dir`, in the boot with this ID.
    pub fn of(dir: &Path, boot: &str) -> io::Result<Self> {
        let name = dir.file_name().ok_or(ErrorKind::InvalidInput)?;
        let path = dir.with_file_name(format!(".{}.index", name.display()));
        let dir = File::open(dir)?;
        Ok(Self { path, salt: Marked::salt(&dir)?, dir, boot: boot.to_owned() })
    }

    /// The index, if it can be believed.
    pub fn open(&self) -> Option<Index> {
        let marked = Marked::of(&self.dir).ok().flatten()?;
        let file = file::open(OpenOptions::new().read(true).write(true), &self.path).ok()?;
        let mut header = [0; PAGE];
        file.read_exact_at(&mut header, 0).ok()?;
        let table = Table::open(file, self.salt).ok()?;
        let rest = header.strip_prefix(self.described(&marked, &table).as_bytes())?;
        let leases = rest.strip_prefix(b"leases ")?.split(|byte| *byte == b'\n').next()?;
        let leases = std::str::from_utf8(leases).ok()?.parse().ok()?;
        let index = Index { table, leases, marked: Some(marked), changed: false, whole: true };
        (header == *self.header(&marked, &index)).then_some(index)
    }

    /// Marks the directory; none if that is not possible here.
    pub fn mark(&self) -> Option<Marked> {
        let marked = Marked::mark(&self.dir);
        marked.inspect_err(|error| log::info!("mark the directory of {}: {error}", self.path.display())).ok().flatten()
    }

    /// A number by which pages know their directory.
    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// Writes what has changed, and marks the directory as that of this index.
    ///
    /// The header is blank meanwhile. Whatever fails leaves it so: then the next call makes the index anew.
    pub fn seal(&self, mut index: Index) -> io::Result<()> {
        if !index.whole || (index.table.is_in_file() && !index.changed) {
            return Ok(());
        }
        if index.leases == 0 {
            return fs::remove_file(&self.path)
                .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) });
        }
        let file = file::open(OpenOptions::new().write(true).create(true).truncate(false).mode(0o600), &self.path)?;
        file.write_all_at(&[0; PAGE], 0)?;
        if index.table.fit().is_err() {
            log::info!("index {}: a container has too many leases", self.path.display());
            return Ok(());
        }
        index.table.write(&file)?;
        let marked = if index.changed { self.mark() } else { index.marked };
        marked.map_or(Ok(()), |marked| file.write_all_at(&self.header(&marked, &index), 0))
    }

    /// All of the header, a page like the others.
    fn header(&self, marked: &Marked, index: &Index) -> Vec<u8> {
        let text = format!("{}leases {}\n", self.described(marked, &index.table), index.leases);
        let mut header = text.into_bytes();
        header.resize(PAGE, 0);
        header
    }

    /// What has to match.
    fn described(&self, marked: &Marked, table: &Table) -> String {
        format!("{MAGIC}boot {}\n{marked}pages {}\n", self.boot, table.pages())
    }
}
