//! What is kept in the tables of iptables: ours where a configuration asks for them, and what the reference plugins made.

use std::fs;

use cni::{Code, Error, Result};
use iptables::Iptables;
use nft::{Family, Nft, Table};

use crate::{firewall, open_for_removal, reference_name};

/// What a program of iptables refused. For use with `map_err`.
pub fn xtables(error: iptables::Error) -> Error {
    Error::new(Code::Kernel, error.to_string()).details(error.details)
}

/// Whether one of these chains may be there: tells without starting a process that DEL and GC have nothing to do.
///
/// Where iptables is the variant on `nf_tables`, its chains are seen there. Of the legacy variant only the tables are known, and
/// where the table is, its chains may be.
pub fn may_have_chain(family: Iptables, table: &str, chains: &[&str]) -> Result<bool> {
    if has_legacy_table(family, table) {
        return Ok(true);
    }
    let Some(mut nft) = open_for_removal()? else { return Ok(false) };
    let table = nft_table(family, table);
    for chain in chains {
        if has_chain(&mut nft, &table, chain)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The name that the reference plugins give to the chain of a container on a network: `stem` and as many digits of the hash of
/// both as make 28 characters, which every version of iptables allows (`XT_EXTENSION_MAXNAMELEN`, `linux/netfilter/x_tables.h`).
pub fn reference_chain(stem: &str, network: &str, container_id: &str) -> String {
    reference_name(stem, network, container_id, 28)
}

/// The table as the variant on `nf_tables` names it there.
pub fn nft_table(family: Iptables, table: &str) -> Table {
    let family = match family {
        Iptables::V4 => Family::Ip,
        Iptables::V6 => Family::Ip6,
    };
    Table::new(family, table)
}

fn has_chain(nft: &mut Nft, table: &Table, chain: &str) -> Result<bool> {
    nft.chain_exists(table, chain).map_err(firewall)
}

/// The tables of the legacy variant that this namespace has (`ip_tables_names` of `net/ipv4/netfilter/ip_tables.c`). No file: none.
fn has_legacy_table(family: Iptables, table: &str) -> bool {
    let names = match family {
        Iptables::V4 => "/proc/thread-self/net/ip_tables_names",
        Iptables::V6 => "/proc/thread-self/net/ip6_tables_names",
    };
    fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_have_the_references_names() {
        assert_eq!(reference_chain("CNI-DN-", "n1", "c1"), "CNI-DN-7be53730afe4dc6eb2178");
        assert_eq!(reference_chain("CNI-", "n1", "c1").len(), 28);
    }
}
