//! Parts of our table, each made whole by whoever needs it first.

use cni::Result;
use nft::{Batch, Chain, Errno, Nft, Rule, Set, Table};

use crate::firewall;

/// Chains with their rules, and the sets that the rules look into. Once made, only elements of the sets change.
#[derive(Debug, Clone)]
pub struct Section {
    /// The table that it is in.
    pub table: Table,
    /// Its sets and maps.
    pub sets: Vec<Set>,
    /// Its chains with their rules; where the first one is, all are.
    pub chains: Vec<(Chain, Vec<Rule>)>,
}

/// A connection for taking back what was made: none where the kernel has no `nf_tables`, hence nothing of ours.
pub fn open_for_removal() -> Result<Option<Nft>> {
    match Nft::open().and_then(|mut nft| nft.generation().map(|_| nft)) {
        // No nfnetlink at all, or one that has not heard of generations of a ruleset.
        Err(error) if matches!(error.errno, Errno::EPROTONOSUPPORT | Errno::EINVAL | Errno::EOPNOTSUPP) => Ok(None),
        opened => opened.map(Some).map_err(firewall),
    }
}

impl Section {
    /// Makes the section, or what is missing of it: one transaction, the first time on a host, and after somebody has
    /// flushed the ruleset. Rules that an administrator has added stay.
    pub fn ensure(&self, nft: &mut Nft) -> Result<()> {
        nft.transaction(|nft| self.missing(nft)).map_err(firewall)
    }

    /// Whether it has been made, as far as its first chain tells.
    pub fn is_there(&self, nft: &mut Nft) -> Result<bool> {
        self.begins_well(nft).map_err(firewall)
    }

    fn begins_well(&self, nft: &mut Nft) -> nft::Result<bool> {
        match self.chains.first() {
            Some((chain, rules)) if rules.is_empty() => nft.chain_exists(&self.table, &chain.name),
            Some((chain, rules)) => Ok(nft.rules(&self.table, &chain.name)?.len() >= rules.len()),
            None => Ok(true),
        }
    }

    /// All chains come before any rule: rules jump to them. A chain without rules of its own holds those of attachments.
    fn missing(&self, nft: &mut Nft) -> nft::Result<Batch> {
        let mut batch = Batch::new();
        if self.begins_well(nft)? {
            return Ok(batch);
        }
        batch.ensure_table(&self.table);
        for set in &self.sets {
            batch.ensure_set(&self.table, set);
        }
        for (chain, _) in &self.chains {
            batch.ensure_chain(&self.table, chain);
        }
        for (chain, rules) in &self.chains {
            let present = nft.rules(&self.table, &chain.name)?.len();
            if present >= rules.len() {
                continue;
            }
            if present > 0 {
                batch.flush_chain(&self.table, &chain.name);
            }
            for rule in rules {
                batch.add_rule(&self.table, &chain.name, rule);
            }
        }
        Ok(batch)
    }
}
