//! What the reference plugin keeps in `nf_tables` for an attachment that it has made: removed when we detach it.
//!
//! Its rules for iptables are not looked at: they can be found and removed only by running iptables.

use attach::{Owner, firewall, open_for_removal};
use cni::{Attachment, Result};
use nft::{Batch, Family, Nft, Table};

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

fn release_masquerade(nft: &mut Nft, owner: &Owner, batch: &mut Batch) -> nft::Result<()> {
    let table = Table::new(Family::Inet, "cni_plugins_masquerade");
    delete_rules(nft, batch, &table, "masq_checks", |comment| owner.owns(comment))
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
