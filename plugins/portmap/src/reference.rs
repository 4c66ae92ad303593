//! What the reference plugin's nftables backend has published for a container: rules with the container's ID as their comment,
//! in tables of their own. Its iptables backend is as ours ([`chains`](crate::chains)).

use attach::{firewall, open_for_removal};
use cni::Result;
use nft::{Batch, Family, Nft, Table};

const TABLE: &str = "cni_hostport";
const CHAINS: [&str; 3] = ["hostports", "hostip_hostports", "masquerading"];
/// Those with a rule per port; releases differ in which of the two has those with a `hostIP`.
const PORTS: [&str; 2] = ["hostports", "hostip_hostports"];

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

/// Whether so many ports are published for the container.
pub fn publishes(container_id: &str, ports: usize) -> Result<bool> {
    let Some(mut nft) = open_for_removal()? else { return Ok(false) };
    let mut present = 0;
    for table in [Table::new(Family::Ip, TABLE), Table::new(Family::Ip6, TABLE)] {
        for chain in PORTS {
            let rules = nft.rules(&table, chain).map_err(firewall)?;
            present += rules.iter().filter(|rule| rule.comment.as_deref() == Some(container_id)).count();
        }
    }
    Ok(present >= ports)
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
