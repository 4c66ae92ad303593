//! `macspoofchk`: a container's port lets only frames from the container's own hardware address in.
//!
//! Two sets in the table `bridge mooring`: the ports that are restricted, and the pairs of port and address that pass.

use std::collections::BTreeSet;

use attach::{Garbage, Owner, Section, TABLE, firewall, open_for_removal, verify::failed};
use cni::{Attachment, Result, Undo};
use net::{Link, Mac};
use nft::{
    Base, Batch, Chain, ChainType, Element, Family, Hook, Ifname, Key, KeyType, Nft, Policy, Rule, Set, Table, Value,
    expr::{self, ether, meta},
    priority,
};

/// The private datum of a restricted port's element: the address that passes, so that DEL finds that element too.
const ADDRESS: u8 = 0x4d;

/// Restricts `port` to frames from the address of `container`.
pub fn restrict(owner: &Owner, port: &Link, container: &Link, undo: &mut Undo) -> Result<()> {
    let Some(mac) = container.mac else { return Ok(()) };
    let mut nft = Nft::open().map_err(firewall)?;
    section().ensure(&mut nft)?;
    let pair = Pair { port: port.name.clone(), mac };
    let restricted = pair.port_element()?.comment(owner.tag());
    let passing = pair.allowed_element()?.comment(owner.tag());
    // First: what gets lost may be the kernel's answer alone.
    let own = owner.clone();
    undo.push("restrict hardware addresses", move || release(&own));
    let commit = nft.transaction(|nft| {
        // A crash may have left those of an earlier link of this name, with another address.
        let stale = nft.element(&table(), &ports(), &restricted.key)?;
        let mut batch = without(nft, stale.as_slice())?;
        batch.ensure_elements(&table(), &ports(), [restricted.clone()]);
        batch.ensure_elements(&table(), &allowed(), [passing.clone()]);
        Ok(batch)
    });
    commit.map_err(firewall)
}

/// Removes what [`restrict`] has made for the attachment.
pub fn release(owner: &Owner) -> Result<()> {
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let commit = nft.transaction(|nft| {
        let mut gone = Vec::new();
        for name in owner.link_names() {
            let key = Key::new().ifname(Ifname::new(&name)?);
            gone.extend(nft.element(&table(), &ports(), &key)?);
        }
        gone.retain(|element| element.comment.as_deref().is_some_and(|tag| owner.owns(tag)));
        without(nft, &gone)
    });
    commit.map_err(firewall)
}

/// Removes what belongs to attachments of `network` that are not in `keep`.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let garbage = Garbage::of(network, keep);
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let commit = nft.transaction(|nft| {
        let mut gone = match nft.elements(&table(), &ports()) {
            Err(error) if error.is_not_found() => Vec::new(),
            listed => listed?,
        };
        gone.retain(|element| element.comment.as_deref().is_some_and(|tag| garbage.owns(tag)));
        without(nft, &gone)
    });
    commit.map_err(firewall)
}

/// Fails unless `port` is restricted to the address of `container`.
pub fn check(port: &Link, container: &Link) -> Result<()> {
    let Some(mac) = container.mac else { return Ok(()) };
    let pair = Pair { port: port.name.clone(), mac };
    let mut nft = Nft::open().map_err(firewall)?;
    for (set, element) in [(ports(), pair.port_element()?), (allowed(), pair.allowed_element()?)] {
        if nft.element(&table(), &set, &element.key).map_err(firewall)?.is_none() {
            return Err(failed(format!(
                "check spoof protection of port \"{}\": set {} lacks {element}",
                port.name, set.name
            )));
        }
    }
    Ok(())
}

/// A restricted port and the address that passes.
struct Pair {
    port: String,
    mac: Mac,
}

impl Pair {
    fn key(&self) -> Result<Key> {
        Ok(Key::new().ifname(Ifname::new(&self.port).map_err(firewall)?))
    }

    fn port_element(&self) -> Result<Element> {
        Ok(Element::new(self.key()?).private(ADDRESS, self.mac.0))
    }

    fn allowed_element(&self) -> Result<Element> {
        Ok(Element::new(self.key()?.ether(self.mac.0)))
    }
}

/// The changes that remove restricted ports and the pairs that pass.
fn without(nft: &mut Nft, ports_gone: &[Element]) -> nft::Result<Batch> {
    let mut batch = Batch::new();
    for port in ports_gone {
        batch.delete_elements(&table(), &ports(), [Element::new(port.key.clone())]);
        batch.delete_elements(&table(), &allowed(), passing(nft, port)?);
    }
    Ok(batch)
}

/// The pairs of a restricted port. nft does not save the private datum: after a restored ruleset all pairs are looked
/// through.
fn passing(nft: &mut Nft, port: &Element) -> nft::Result<Vec<Element>> {
    let [Value::Ifname(name)] = port.key.values() else { return Ok(Vec::new()) };
    let datum = port.private.as_ref().filter(|datum| datum.kind == ADDRESS);
    let address: Option<[u8; 6]> = datum.and_then(|datum| datum.value.as_slice().try_into().ok());
    let pairs: Vec<Element> = match address {
        Some(address) => {
            let key = Key::new().ifname(name.clone()).ether(address);
            nft.element(&table(), &allowed(), &key)?.into_iter().collect()
        }
        None => nft.elements(&table(), &allowed())?,
    };
    let is_of_port = |pair: &Element| pair.key.values().first() == Some(&Value::Ifname(name.clone()));
    Ok(pairs.into_iter().filter(is_of_port).map(|pair| Element::new(pair.key)).collect())
}

fn table() -> Table {
    Table::new(Family::Bridge, TABLE)
}

fn ports() -> Set {
    Set::new("restricted_ports", [KeyType::Ifname])
}

fn allowed() -> Set {
    Set::new("allowed_addresses", [KeyType::Ifname, KeyType::EtherAddr])
}

fn section() -> Section {
    let hook =
        Base { kind: ChainType::Filter, hook: Hook::Prerouting, priority: priority::RAW, policy: Policy::Accept };
    let rules = vec![
        Rule::new([meta::iifname().dot(ether::saddr()).in_set(&allowed()), expr::return_()]),
        Rule::new([meta::iifname().in_set(&ports()), expr::drop()]),
    ];
    Section { table: table(), sets: vec![ports(), allowed()], chains: vec![(Chain::base("spoof_check", hook), rules)] }
}
