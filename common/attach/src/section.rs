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
    /// Makes the section unless it is there: one transaction, the first time on a host.
    pub fn ensure(&self, nft: &mut Nft) -> Result<()> {
        if self.is_there(nft)? {
            return Ok(());
        }
        match nft.commit(self.batch()) {
            // Somebody else was faster.
            Err(error) if error.is_exists() => Ok(()),
            made => made.map_err(firewall),
        }
    }

    /// Whether it has been made.
    pub fn is_there(&self, nft: &mut Nft) -> Result<bool> {
        match self.chains.first() {
            Some((chain, _)) => nft.chain_exists(&self.table, &chain.name).map_err(firewall),
            None => Ok(true),
        }
    }

    /// All chains come before any rule: rules jump to them.
    fn batch(&self) -> Batch {
        let mut batch = Batch::new();
        batch.ensure_table(&self.table);
        for set in &self.sets {
            batch.ensure_set(&self.table, set);
        }
        for (chain, _) in &self.chains {
            batch.add_chain(&self.table, chain);
        }
        for (chain, rules) in &self.chains {
            for rule in rules {
                batch.add_rule(&self.table, &chain.name, rule);
            }
        }
        batch
    }
}
