//! What the reference plugin keeps in `nf_tables` for an attachment that it has made: removed when we detach it.
//!
//! Its chain of iptables is as ours (`attach::masquerade_chain`).

use attach::{
    Owner, firewall, open_for_removal,
    reference::{delete_rules, release_masquerade},
};
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
