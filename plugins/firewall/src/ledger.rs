//! Our tables: what is let through by them, and who has what here and in firewalld. Thin code around the data of
//! [`rules`].

use std::{collections::HashSet, net::IpAddr};

use attach::{Owner, firewall, open_for_removal, tag_prefix, verify::failed};
use cni::Result;
use nft::{Batch, Element, Ifname, Nft, Set, Table};

use crate::{
    plan::{Ingress, Told},
    rules::{self, Note, Placed},
};

/// What an attachment is to have in our tables.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub owner: &'a Owner,
    /// The addresses that are let through here.
    pub accepted: &'a [IpAddr],
    /// The addresses that firewalld is given, and its zone.
    pub given: (&'a [IpAddr], &'a str),
    pub ingress: Option<&'a Ingress>,
}

impl Entry<'_> {
    /// Makes it so, in one transaction. Addresses that somebody else had are this owner's then.
    pub fn write(&self, nft: &mut Nft) -> Result<()> {
        rules::section().ensure(nft)?;
        if self.ingress.is_some_and(|ingress| !ingress.ports.is_empty()) {
            rules::bridge_section().ensure(nft)?;
        }
        nft.transaction(|nft| self.missing(nft)).map_err(firewall)
    }

    fn missing(&self, nft: &mut Nft) -> nft::Result<Batch> {
        let mut batch = Batch::new();
        let (elements, shared) = (self.elements()?, self.shared()?);
        let present = present(nft, &elements)?;
        if present != elements {
            let mut going = present;
            if going.iter().any(Placed::is_owner) {
                // An ADD that was killed, or of another configuration.
                let mut seen: HashSet<Placed> = going.iter().cloned().collect();
                let own = search(nft, |tag| self.owner.owns(tag))?;
                going.extend(own.into_iter().filter(|placed| seen.insert(placed.clone())));
            }
            delete(nft, &mut batch, &going)?;
            for Placed { table, set, element } in elements {
                batch.add_elements(&table, &set, [element]);
            }
        } else if present_in_full(nft, &shared)? {
            return Ok(batch);
        }
        for Placed { table, set, element } in shared {
            batch.ensure_elements(&table, &set, [element]);
        }
        Ok(batch)
    }

    /// Fails unless it is so, and the chains are whole.
    pub fn check(&self, nft: &mut Nft) -> Result<()> {
        for wanted in self.elements().map_err(firewall)?.into_iter().chain(self.shared().map_err(firewall)?) {
            let found = nft.element(&wanted.table, &wanted.set, &wanted.element.key).map_err(firewall)?;
            if found.is_none_or(|found| found != wanted.element) {
                return Err(failed(format!("check firewall: {} lacks {}", wanted.set.name, wanted.element)));
            }
        }
        let isolates = self.ingress.is_some_and(|ingress| !ingress.ports.is_empty());
        for section in [rules::section()].into_iter().chain(isolates.then(rules::bridge_section)) {
            for (chain, rules) in &section.chains {
                let count = nft.rules(&section.table, &chain.name).map_err(firewall)?.len();
                if count < rules.len() || !nft.chain_exists(&section.table, &chain.name).map_err(firewall)? {
                    let place = format!("chain {} of table {}", chain.name, section.table);
                    return Err(failed(format!("check firewall: {place} has {count} rules, not {}", rules.len())));
                }
            }
        }
        Ok(())
    }

    /// The owner's record and its elements, tagged.
    fn elements(&self) -> nft::Result<Vec<Placed>> {
        let (given, zone) = self.given;
        let accepted = self.accepted.iter().map(|address| rules::accepted(*address));
        let mut elements: Vec<Placed> =
            accepted.chain(given.iter().map(|address| rules::given(*address, zone))).collect();
        for port in self.ingress.into_iter().flat_map(|ingress| &ingress.ports) {
            elements.push(rules::isolated(Ifname::new(port)?));
        }
        let note = Note::new(elements.len(), self.ingress)?;
        let mut record = rules::owner(self.owner);
        record.element = note.on(record.element);
        elements.push(record);
        Ok(elements.into_iter().map(|placed| placed.of(self.owner)).collect())
    }

    /// The elements of the bridge, which are nobody's alone.
    fn shared(&self) -> nft::Result<Vec<Placed>> {
        let Some(ingress) = self.ingress else { return Ok(Vec::new()) };
        Ok(rules::bridge(&Ifname::new(&ingress.bridge)?, ingress.policy))
    }
}

/// Whether an owner has anything here.
pub fn knows(nft: &mut Nft, owner: &Owner) -> Result<bool> {
    let record = rules::owner(owner);
    Ok(nft.element(&record.table, &record.set, &record.element.key).map_err(firewall)?.is_some())
}

/// Whether an address is an owner's here.
pub fn has(nft: &mut Nft, owner: &Owner, address: IpAddr) -> Result<bool> {
    let found = present(nft, &[rules::accepted(address), rules::given(address, "")]).map_err(firewall)?;
    Ok(found.iter().any(|placed| placed.element.comment.as_deref().is_some_and(|tag| owner.owns(tag))))
}

/// The records of addresses that firewalld was given, whoever has them.
pub fn given(nft: &mut Nft, addresses: &[IpAddr]) -> nft::Result<Vec<Placed>> {
    present(nft, &addresses.iter().map(|address| rules::given(*address, "")).collect::<Vec<_>>())
}

/// Whose an address is, if firewalld was given it through us: the tag.
pub fn giver(nft: &mut Nft, address: IpAddr) -> Result<Option<String>> {
    let given = rules::given(address, "");
    let found = nft.element(&given.table, &given.set, &given.element.key).map_err(firewall)?;
    Ok(found.and_then(|element| element.comment))
}

/// What belongs to one owner: its elements are found by their keys where a result tells them all, or else by their tags.
pub fn of_owner(nft: &mut Nft, owner: &Owner, told: &Told) -> nft::Result<Vec<Placed>> {
    let mut wanted = vec![rules::owner(owner)];
    for address in &told.addresses {
        wanted.extend([rules::accepted(*address), rules::given(*address, "")]);
    }
    for link in &told.links {
        wanted.push(rules::isolated(Ifname::new(link)?));
    }
    let mut found = present(nft, &wanted)?;
    found.retain(|placed| placed.element.comment.as_deref().is_some_and(|tag| owner.owns(tag)));
    let record = found.iter().find(|placed| placed.is_owner()).map(|placed| &placed.element);
    let is_all = |record| Note::of(record).is_some_and(|note| note.elements + 1 == found.len());
    if record.is_none_or(is_all) { Ok(found) } else { search(nft, |tag| owner.owns(tag)) }
}

/// Everything whose tag is wanted.
pub fn search(nft: &mut Nft, wanted: impl Fn(&str) -> bool) -> nft::Result<Vec<Placed>> {
    let of_address = [true, false].into_iter().flat_map(|v4| [rules::addresses(v4), rules::sources(v4)]);
    let places = [rules::owners()].into_iter().chain(of_address).map(|set| (rules::table(), set));
    let mut found = Vec::new();
    for (table, set) in places.chain([(rules::bridge_table(), rules::isolated_ports())]) {
        let tagged = listed(nft, &table, &set)?;
        let tagged = tagged.into_iter().filter(|element| element.comment.as_deref().is_some_and(&wanted));
        found.extend(tagged.map(|element| Placed { table: table.clone(), set: set.clone(), element }));
    }
    Ok(found)
}

/// Removes what `find` finds, but what `stays`, and the policies of bridges that nobody needs then: one transaction.
pub fn release(
    mut find: impl FnMut(&mut Nft) -> nft::Result<Vec<Placed>>,
    stays: impl Fn(&Placed) -> bool,
) -> Result<()> {
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let commit = nft.transaction(|nft| {
        let mut going = find(nft)?;
        going.retain(|placed| !stays(placed));
        let mut batch = Batch::new();
        delete(nft, &mut batch, &going)?;
        Ok::<_, nft::Error>(batch)
    });
    commit.map_err(firewall)
}

/// Reads what `find` finds; nothing where the kernel has no `nf_tables`.
pub fn read(find: impl FnOnce(&mut Nft) -> nft::Result<Vec<Placed>>) -> Result<Vec<Placed>> {
    open_for_removal()?.map_or(Ok(Vec::new()), |mut nft| find(&mut nft).map_err(firewall))
}

/// Deletes elements, and with owners' records what their bridges have, unless others need it.
fn delete(nft: &mut Nft, batch: &mut Batch, going: &[Placed]) -> nft::Result<()> {
    for Placed { table, set, element } in going {
        batch.delete_elements(table, set, [element.clone()]);
    }
    let mut unneeded = bridges(going.iter().filter(|placed| placed.is_owner()).map(|placed| &placed.element));
    if unneeded.is_empty() {
        return Ok(());
    }
    let leaving: HashSet<_> =
        going.iter().filter(|placed| placed.is_owner()).map(|placed| &placed.element.key).collect();
    let records = listed(nft, &rules::table(), &rules::owners())?;
    let needed = bridges(records.iter().filter(|record| !leaving.contains(&record.key)));
    unneeded.retain(|placed| !needed.contains(placed));
    for Placed { table, set, element } in present(nft, &unneeded.into_iter().collect::<Vec<_>>())? {
        batch.delete_elements(&table, &set, [element]);
    }
    Ok(())
}

/// The elements of the bridges that owners need.
fn bridges<'a>(records: impl Iterator<Item = &'a Element>) -> HashSet<Placed> {
    let named = records.filter_map(|record| Note::of(record)?.bridge);
    named.flat_map(|(policy, bridge)| rules::bridge(&bridge, policy)).collect()
}

/// Those of `wanted` whose keys are there, as they are there.
fn present(nft: &mut Nft, wanted: &[Placed]) -> nft::Result<Vec<Placed>> {
    let mut present = Vec::new();
    for Placed { table, set, element } in wanted {
        let found = nft.element(table, set, &element.key)?;
        present.extend(found.map(|element| Placed { table: table.clone(), set: set.clone(), element }));
    }
    Ok(present)
}

fn present_in_full(nft: &mut Nft, wanted: &[Placed]) -> nft::Result<bool> {
    Ok(present(nft, wanted)?.len() == wanted.len())
}

/// The elements of a set; none if it is not there.
fn listed(nft: &mut Nft, table: &Table, set: &Set) -> nft::Result<Vec<Element>> {
    match nft.elements(table, set) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        listed => listed,
    }
}

/// Whether a tag is one of the network's, and of none that is kept.
pub fn is_garbage(tag: &str, hash: &str, kept: &HashSet<String>) -> bool {
    tag_prefix(tag).is_some_and(|prefix| prefix.starts_with(hash) && !kept.contains(prefix))
}
