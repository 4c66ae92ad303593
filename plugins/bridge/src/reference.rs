//! What the reference plugin keeps in `nf_tables` for an attachment that it has made: removed when we detach it.
//!
//! Its chain of iptables is as ours (`attach::masquerade_chain`).

use attach::{Owner, firewall, open_for_removal};
use cni::{Attachment, Result};
use nft::{Batch, Family, Nft, Table};

/// The chain with a rule per masqueraded address.
const CHECKS: &str = "masq_checks";

/// Removes the attachment's masquerading, which has the same tag as ours, and its spoof check.
pub fn release(owner: &Owner) -> Result<()> {
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let commit = nft.transaction(|nft| {
        let mut batch = Batch::new();
        release_masquerade(nft, owner, &mut batch)?;
        release_spoof_check(nft, owner.attachment(), &mut batch)?;
        Ok(batch)
    });
    commit.map_err(firewall)
}

/// Whether so many addresses of the attachment are masqueraded.
pub fn masquerades(owner: &Owner, addresses: usize) -> Result<bool> {
    let Some(mut nft) = open_for_removal()? else { return Ok(false) };
    let rules = nft.rules(&masquerade_table(), CHECKS).map_err(firewall)?;
    let own = rules.iter().filter(|rule| rule.comment.as_deref().is_some_and(|comment| owner.owns(comment)));
    Ok(own.count() >= addresses)
}

fn masquerade_table() -> Table {
    Table::new(Family::Inet, "cni_plugins_masquerade")
}

fn release_masquerade(nft: &mut Nft, owner: &Owner, batch: &mut Batch) -> nft::Result<()> {
    delete_rules(nft, batch, &masquerade_table(), CHECKS, |comment| owner.owns(comment))
}

/// A jump from `PREROUTING` to a chain of the attachment's, which jumps to another one.
fn release_spoof_check(nft: &mut Nft, attachment: &Attachment, batch: &mut Batch) -> nft::Result<()> {
    let Attachment { container_id, ifname } = attachment;
    let table = Table::new(Family::Bridge, "nat");
    let tag = format!("macspoofchk-{container_id}-{ifname}");
    delete_rules(nft, batch, &table, "PREROUTING", |comment| comment == tag)?;
    let chain = format!("cni-br-iface-{container_id}-{ifname}");
    for chain in [chain.clone(), format!("{chain}-mac")] {
        if nft.chain_exists(&table, &chain)? {
            batch.flush_chain(&table, &chain);
            batch.delete_chain(&table, &chain);
        }
    }
    Ok(())
}

fn delete_rules(
    nft: &mut Nft,
    batch: &mut Batch,
    table: &Table,
    chain: &str,
    is_own: impl Fn(&str) -> bool,
) -> nft::Result<()> {
    let rules = nft.rules(table, chain)?;
    let own = rules.iter().filter(|rule| rule.comment.as_deref().is_some_and(&is_own));
    own.for_each(|rule| batch.delete_rule(table, chain, rule.handle));
    Ok(())
}
