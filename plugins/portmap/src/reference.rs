//! What the reference plugin's nftables backend has published for a container that is detached by us: rules with the
//! container's ID as their comment, in tables of their own.

use attach::{firewall, open_for_removal};
use cni::Result;
use nft::{Batch, Family, Nft, Table};

const TABLE: &str = "cni_hostport";
const CHAINS: [&str; 3] = ["hostports", "hostip_hostports", "masquerading"];

/// Removes it.
pub fn release(container_id: &str) -> Result<()> {
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    for table in [Table::new(Family::Ip, TABLE), Table::new(Family::Ip6, TABLE)] {
        if nft.table_exists(&table).map_err(firewall)? {
            nft.transaction(|nft| removal(nft, &table, container_id)).map_err(firewall)?;
        }
    }
    Ok(())
}

fn removal(nft: &mut Nft, table: &Table, container_id: &str) -> nft::Result<Batch> {
    let mut batch = Batch::new();
    for chain in CHAINS {
        for rule in nft.rules(table, chain)?.iter().filter(|rule| rule.comment.as_deref() == Some(container_id)) {
            batch.delete_rule(table, chain, rule.handle);
        }
    }
    Ok(batch)
}
