//! A hash table in a file. A question reads the one page that its key leads to; what is changed is written page by page.
//!
//! ```text
//! 0       the header, which is `place`'s
//! 4096    page 0
//! 8192    page 1 ...
//! ```
//!
//! A page that gets too full doubles their number: the table is made anew in memory and written whole.

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::index::page::{Corrupt, FITS, PAGE, Page, Record};

/// How many records a page of a new table gets on average: so few that none of a thousand pages is too full.
const ROOMY: usize = FITS / 2;

/// Records by their keys.
#[derive(Debug)]
pub struct Table {
    /// Where the pages are that have not been read.
    file: Option<File>,
    pages: Vec<Option<Page>>,
    salt: u64,
}

impl Table {
    /// An empty one in memory, with room for so many records.
    pub fn new(records: usize, salt: u64) -> Self {
        Self { file: None, pages: vec![Some(Page::default()); records / ROOMY + 1], salt }
    }

    /// The one in this file, behind its header. Salt tells one index's pages from another's.
    ///
    /// # Errors
    /// If the file is not as long as one is.
    pub fn open(file: File, salt: u64) -> Result<Self, Corrupt> {
        let length = file.metadata().map_err(|_| Corrupt)?.len();
        let pages = usize::try_from(length / PAGE as u64).ok().and_then(|pages| pages.checked_sub(1));
        let pages = pages.filter(|pages| *pages > 0 && length % PAGE as u64 == 0).ok_or(Corrupt)?;
        Ok(Self { file: Some(file), pages: vec![None; pages], salt })
    }

    /// How many pages it has.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Whether the file has all that is not in memory.
    pub fn is_in_file(&self) -> bool {
        self.file.is_some()
    }

    /// The page with the records of this key, among others.
    pub fn page(&mut self, key: u64) -> Result<&mut Page, Corrupt> {
        let number = usize::try_from(key % self.pages.len() as u64).map_err(|_| Corrupt)?;
        self.numbered(number)
    }

    /// All records.
    pub fn records(&mut self) -> Result<Vec<Record>, Corrupt> {
        let mut all = Vec::new();
        for number in 0..self.pages.len() {
            all.extend_from_slice(&self.numbered(number)?.records);
        }
        Ok(all)
    }

    fn numbered(&mut self, number: usize) -> Result<&mut Page, Corrupt> {
        let page = self.pages.get_mut(number).ok_or(Corrupt)?;
        if page.is_none() {
            let mut bytes = [0; PAGE];
            let file = self.file.as_ref().ok_or(Corrupt)?;
            file.read_exact_at(&mut bytes, position(number)).map_err(|_| Corrupt)?;
            *page = Some(Page::decode(&bytes, number, self.salt)?);
        }
        page.as_mut().ok_or(Corrupt)
    }

    /// Makes room, so that all pages fit into the file.
    ///
    /// # Errors
    /// If the file is corrupt, or if there are too many records of one key: more pages do not part those.
    pub fn fit(&mut self) -> Result<(), Corrupt> {
        while self.pages.iter().flatten().any(|page| page.records.len() > FITS) {
            let records = self.records()?;
            let pages = self.pages.len() * 2;
            if pages > 16 + records.len() / 8 {
                return Err(Corrupt);
            }
            let mut wider = Self { file: None, pages: vec![Some(Page::default()); pages], salt: self.salt };
            for record in records {
                wider.page(record.key)?.records.push(record);
            }
            *self = wider;
        }
        Ok(())
    }

    /// Writes the pages that have changed, of a table in memory all, into a file. They have to fit.
    pub fn write(&self, file: &File) -> io::Result<()> {
        if self.is_in_file() {
            for (number, page) in self.pages.iter().enumerate() {
                if let Some(page) = page.as_ref().filter(|page| page.changed) {
                    file.write_all_at(&page.encode(number, self.salt), position(number))?;
                }
            }
            return Ok(());
        }
        let mut all = Vec::with_capacity(self.pages.len() * PAGE);
        for (number, page) in self.pages.iter().enumerate() {
            all.extend(page.as_ref().map(|page| page.encode(number, self.salt)).unwrap_or_default());
        }
        file.write_all_at(&all, position(0))?;
        file.set_len(position(self.pages.len()))
    }
}

fn position(page: usize) -> u64 {
    (page as u64 + 1) * PAGE as u64
}
