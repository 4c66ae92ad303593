//! A page of the index's file: records, and a checksum over them that knows which page of which index it is.

use std::hash::{DefaultHasher, Hasher};

/// What a page takes in the file.
pub const PAGE: usize = 4096;

/// Checksum and number of records.
const HEAD: usize = 16;

/// How many records fit into a page.
pub const FITS: usize = (PAGE - HEAD) / 32;

/// The file does not say what we have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

/// What the index remembers under a key: an address of an owner, or which of 64 neighbours are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What it is found by, evenly distributed.
    pub key: u64,
    /// An address, or where 64 of them begin.
    pub address: u128,
    /// The neighbours that are taken; 0 in a record of an owner.
    pub taken: u64,
}

/// Records whose keys lead to the same page. In memory there is room for more than fit into the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In no particular order.
    pub records: Vec<Record>,
    /// They are not in the file yet.
    pub changed: bool,
}

impl Record {
    /// Whether the other one is the same but for what is taken.
    fn replaces(&self, other: &Self) -> bool {
        self.key == other.key && self.address == other.address && (self.taken == 0) == (other.taken == 0)
    }
}

impl Page {
    /// Adds a record, in the place of the one that it replaces.
    pub fn put(&mut self, record: Record) {
        self.remove(&record);
        self.records.push(record);
        self.changed = true;
    }

    /// Removes the record that `record` would replace.
    pub fn remove(&mut self, record: &Record) {
        let before = self.records.len();
        self.records.retain(|other| !record.replaces(other));
        self.changed |= self.records.len() != before;
    }

    /// As it is in the file; `number` and `salt` say which page of which index it is. No more records than fit.
    pub fn encode(&self, number: usize, salt: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(PAGE);
        body.extend((self.records.len() as u64).to_le_bytes());
        for record in &self.records {
            body.extend(record.key.to_le_bytes());
            body.extend(record.address.to_le_bytes());
            body.extend(record.taken.to_le_bytes());
        }
        body.resize(PAGE - HEAD / 2, 0);
        [&checksum(&body, number, salt).to_le_bytes()[..], &body].concat()
    }

    /// From the file.
    pub fn decode(bytes: &[u8], number: usize, salt: u64) -> Result<Self, Corrupt> {
        let (sum, body) = u64_of(bytes)?;
        if sum != checksum(body, number, salt) {
            return Err(Corrupt);
        }
        let (count, mut rest) = u64_of(body)?;
        let mut records = Vec::with_capacity(FITS);
        for _ in 0..count {
            let (key, behind) = u64_of(rest)?;
            let (address, behind) = behind.split_first_chunk().ok_or(Corrupt)?;
            let (taken, behind) = u64_of(behind)?;
            records.push(Record { key, address: u128::from_le_bytes(*address), taken });
            rest = behind;
        }
        Ok(Self { records, changed: false })
    }
}

fn u64_of(bytes: &[u8]) -> Result<(u64, &[u8]), Corrupt> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Corrupt)?;
    Ok((u64::from_le_bytes(*number), rest))
}

fn checksum(body: &[u8], number: usize, salt: u64) -> u64 {
    hash(&[&salt.to_le_bytes(), &number.to_le_bytes(), body])
}

/// The one hash of keys and pages. The standard library's may become another one with a new compiler: then no old page has
/// its checksum any more, and the index is made anew.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}
