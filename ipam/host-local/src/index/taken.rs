//! Which addresses are taken: a bit for each, in words of 64 neighbours; above a word a bit that says that it is full, and
//! above that another. Only words with a bit are kept, so that a lease in the middle of a /64 costs one record, and a
//! search passes 64, 4,096 or 262,144 taken addresses in a step.

use crate::index::{
    page::{Corrupt, Record, hash},
    table::Table,
};

const LEVELS: u32 = 3;

/// How many addresses a bit of this level stands for.
fn span(level: u32) -> u128 {
    1 << (6 * level)
}

/// Where the word of this level begins that `address` is in.
fn begin(level: u32, address: u128) -> u128 {
    address & !(span(level + 1) - 1)
}

/// The place of `address` in its word.
fn bit(level: u32, address: u128) -> u64 {
    1 << ((address / span(level)) % 64)
}

/// The record of a word. The lowest bits of where it begins are free: they tell the level.
fn record(level: u32, address: u128, taken: u64) -> Record {
    let address = begin(level, address) | u128::from(level);
    Record { key: hash(&[&address.to_le_bytes()]), address, taken }
}

fn word(table: &mut Table, level: u32, address: u128) -> Result<u64, Corrupt> {
    let wanted = record(level, address, 1);
    let is_it = |found: &&Record| found.key == wanted.key && found.address == wanted.address && found.taken != 0;
    Ok(table.page(wanted.key)?.records.iter().find(is_it).map_or(0, |found| found.taken))
}

fn set_word(table: &mut Table, level: u32, address: u128, taken: u64) -> Result<(), Corrupt> {
    let record = record(level, address, taken.max(1));
    let page = table.page(record.key)?;
    if taken == 0 {
        page.remove(&record);
    } else {
        page.put(record);
    }
    Ok(())
}

/// Takes an address.
pub fn take(table: &mut Table, address: u128) -> Result<(), Corrupt> {
    for level in 0..LEVELS {
        let taken = word(table, level, address)? | bit(level, address);
        set_word(table, level, address, taken)?;
        if taken != u64::MAX {
            break;
        }
    }
    Ok(())
}

/// Gives an address back.
pub fn give_back(table: &mut Table, address: u128) -> Result<(), Corrupt> {
    for level in 0..LEVELS {
        let taken = word(table, level, address)?;
        set_word(table, level, address, taken & !bit(level, address))?;
        if taken != u64::MAX {
            break;
        }
    }
    Ok(())
}

/// The first address from `first` to `last` that is not taken.
pub fn first_free(table: &mut Table, first: u128, last: u128) -> Result<Option<u128>, Corrupt> {
    let mut from = first;
    while from <= last {
        if let Some(free) = free_in_word(table, LEVELS - 1, from)? {
            return Ok(Some(free).filter(|free| *free <= last));
        }
        let Some(next) = begin(LEVELS - 1, from).checked_add(span(LEVELS)) else { break };
        from = next;
    }
    Ok(None)
}

/// The first address that is not taken, from `from` up to the end of the word of this level.
fn free_in_word(table: &mut Table, level: u32, from: u128) -> Result<Option<u128>, Corrupt> {
    let taken = word(table, level, from)?;
    let begin = begin(level, from);
    for place in 0..64 {
        let address = begin + place * span(level);
        let behind = address.checked_add(span(level));
        if behind.is_some_and(|behind| behind <= from) || taken & bit(level, address) != 0 {
            continue;
        }
        let address = address.max(from);
        let free = if level == 0 { Some(address) } else { free_in_word(table, level - 1, address)? };
        if free.is_some() {
            return Ok(free);
        }
    }
    Ok(None)
}

/// The addresses whose bits are in these records.
pub fn addresses(records: &[Record]) -> impl Iterator<Item = u128> {
    let lowest = records.iter().filter(|record| record.taken != 0 && record.address % 64 == 0);
    lowest.flat_map(|record| {
        let places = (0..64).filter(|place| record.taken & (1 << place) != 0);
        places.map(|place: u128| record.address + place)
    })
}
