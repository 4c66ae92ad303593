//! What the reference plugins keep in `nf_tables` to masquerade: a rule per address, with a comment that begins as our tags do.
//!
//! Their chains of iptables are as ours ([`masquerade_chain`](crate::masquerade_chain)).

use std::collections::BTreeSet;

use cni::{Attachment, Result};
use nft::{Batch, Family, Nft, Table};

use crate::{Garbage, Owner, firewall, open_for_removal};

/// The chain with a rule per masqueraded address.
const CHECKS: &str = "masq_checks";

/// Ends the attachment's masquerading.
pub fn release(owner: &Owner) -> Result<()> {
    delete_checks(|comment| owner.owns(comment))
}

/// Adds to `batch` the removal of the attachment's masquerading.
pub fn release_masquerade(nft: &mut Nft, owner: &Owner, batch: &mut Batch) -> nft::Result<()> {
    delete_rules(nft, batch, &table(), CHECKS, |comment| owner.owns(comment))
}

/// Ends the masquerading of attachments of `network` that are not in `keep`.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let garbage = Garbage::of(network, keep);
    delete_checks(|comment| garbage.owns(comment))
}

fn delete_checks(is_going: impl Fn(&str) -> bool) -> Result<()> {
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let commit = nft.transaction(|nft| {
        let mut batch = Batch::new();
        delete_rules(nft, &mut batch, &table(), CHECKS, &is_going)?;
        Ok(batch)
    });
    commit.map_err(firewall)
}

/// Whether so many addresses of the attachment are masqueraded.
pub fn masquerades(owner: &Owner, addresses: usize) -> Result<bool> {
    let Some(mut nft) = open_for_removal()? else { return Ok(false) };
    let rules = nft.rules(&table(), CHECKS).map_err(firewall)?;
    let own = rules.iter().filter(|rule| rule.comment.as_deref().is_some_and(|comment| owner.owns(comment)));
    Ok(own.count() >= addresses)
}

/// Adds to `batch` the removal of those rules of a chain whose comments are theirs whose state goes.
pub fn delete_rules(
    nft: &mut Nft,
    batch: &mut Batch,
    table: &Table,
    chain: &str,
    is_going: impl Fn(&str) -> bool,
) -> nft::Result<()> {
    let rules = nft.rules(table, chain)?;
    let going = rules.iter().filter(|rule| rule.comment.as_deref().is_some_and(&is_going));
    going.for_each(|rule| batch.delete_rule(table, chain, rule.handle));
    Ok(())
}

fn table() -> Table {
    Table::new(Family::Inet, "cni_plugins_masquerade")
}
