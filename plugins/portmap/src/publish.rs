//! Publishing ports and taking them back: thin code around the data of [`rules`].

use std::collections::BTreeSet;

use attach::{Owner, firewall, kernel, network_hash, tag_prefix, verify::failed};
use cni::{Attachment, Code, Error, Result, Undo};
use net::{Rtnl, here};
use nft::{Batch, Element, Nft};

use crate::{
    conditions::Conditions,
    plan::{Plan, Published},
    rules::{self, CONDITIONAL, LINK, Placed, Sets, table},
    words,
};

/// Publishes `ports` for `owner`, whose link of the host is `link`.
///
/// # Errors
/// Code 101 if a port is published already for somebody whose link is there; then nothing has changed.
pub fn publish(owner: &Owner, plan: &Plan, ports: &[Published], link: Option<&str>, undo: &mut Undo) -> Result<()> {
    let mut nft = Nft::open().map_err(firewall)?;
    rules::section().section.ensure(&mut nft)?;
    let elements = all_elements(owner, plan, ports, link);
    let releasing = owner.clone();
    undo.push("publish ports", move || release(&releasing, &[]).map(drop));

    refuse_rivals(&mut nft, owner, plan, ports)?;
    let rules = conditional_rules(owner, plan, ports);
    let mut batch = Batch::new();
    for Placed { set, element } in elements.clone() {
        batch.add_elements(&table(), &set, [element]);
    }
    for rule in &rules {
        batch.add_rule(&table(), CONDITIONAL, rule);
    }
    match nft.commit(batch) {
        Err(error) if error.is_exists() => take_over(&mut nft, owner, &elements, &rules)?,
        committed => committed.map_err(firewall)?,
    }
    words::add(&conditional_words(owner, plan, ports))
}

/// Every element once: two addresses of the host may lead to one port of the container.
fn all_elements(owner: &Owner, plan: &Plan, ports: &[Published], link: Option<&str>) -> Vec<Placed> {
    let mut all: Vec<Placed> = Vec::new();
    for port in ports {
        for mut placed in rules::elements(port, plan.snat, is_conditional(plan, port)) {
            placed.element = placed.element.comment(owner.tag());
            if let Some(link) = link {
                placed.element = placed.element.private(LINK, link);
            }
            if !all.contains(&placed) {
                all.push(placed);
            }
        }
    }
    all
}

fn is_conditional(plan: &Plan, port: &Published) -> bool {
    *plan.conditions(port.to.is_ipv4()) != Conditions::None
}

fn conditional_rules(owner: &Owner, plan: &Plan, ports: &[Published]) -> Vec<nft::Rule> {
    let of_port = |port: &Published| match plan.conditions(port.to.is_ipv4()) {
        Conditions::Native(alternatives) => rules::conditional_rules(port, alternatives, &owner.tag()),
        Conditions::None | Conditions::Words(_) => Vec::new(),
    };
    ports.iter().flat_map(of_port).collect()
}

fn conditional_words(owner: &Owner, plan: &Plan, ports: &[Published]) -> String {
    let of_port = |port: &Published| match plan.conditions(port.to.is_ipv4()) {
        Conditions::Words(words) => Some(rules::conditional_words(port, words, &owner.tag())),
        Conditions::None | Conditions::Native(_) => None,
    };
    ports.iter().filter_map(of_port).collect()
}

/// A port that is published with conditions is not in the map of those without, and the other way round.
fn refuse_rivals(nft: &mut Nft, owner: &Owner, plan: &Plan, ports: &[Published]) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    for port in ports {
        let Placed { set, element } = rules::rival(port, is_conditional(plan, port));
        let present = nft.element(&table(), &set, &element.key).map_err(firewall)?;
        if let Some(present) = present.filter(|present| !is_of(owner, present)) {
            refuse_living(&mut host, &present)?;
        }
    }
    Ok(())
}

/// Puts `elements` in the place of those of owners who have gone, and of our own from an ADD that was killed.
fn take_over(nft: &mut Nft, owner: &Owner, elements: &[Placed], rules: &[nft::Rule]) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let commit = nft.transaction(|nft| {
        let mut batch = Batch::new();
        for Placed { set, element } in elements {
            if let Some(present) = nft.element(&table(), set, &element.key)? {
                if Sets::takes_port(set) && !is_of(owner, &present) {
                    refuse_living(&mut host, &present)?;
                }
                batch.delete_elements(&table(), set, [present]);
            }
            batch.add_elements(&table(), set, [element.clone()]);
        }
        for rule in rules {
            batch.add_rule(&table(), CONDITIONAL, rule);
        }
        Ok::<_, Failure>(batch)
    });
    commit.map_err(|Failure(error)| error)
}

/// Fails if the owner of `taken` is still there. Where its link is not known, it is taken for being there.
fn refuse_living(host: &mut Rtnl, taken: &Element) -> Result<()> {
    let link = taken.private.as_ref().filter(|datum| datum.kind == LINK);
    let tag = taken.comment.as_deref().unwrap_or_default();
    if let Some(name) = link.and_then(|datum| std::str::from_utf8(&datum.value).ok()) {
        let link = host.link(name).map_err(kernel)?;
        let is_owners = |alias: &str| tag_prefix(alias).is_none_or(|prefix| tag_prefix(tag) == Some(prefix));
        if !link.is_some_and(|link| link.alias.as_deref().is_none_or(is_owners)) {
            return Ok(());
        }
    }
    let port = rules::published(taken).map(|(protocol, port, _)| format!("{port}/{protocol}")).unwrap_or_default();
    let owner = tag.split_once(", ").map_or("somebody", |(_, owner)| owner);
    Err(Error::new(Code::InUse, format!("publish host port {port}: it is published already for {owner}"))
        .details(format!("element {}", taken.key)))
}

/// Removes what is published for `owner` and returns it. Given the `ports` of its ADD they are looked up; where that
/// does not find them all, and without, everything is looked through.
pub fn release(owner: &Owner, ports: &[Published]) -> Result<Vec<Element>> {
    let mut nft = Nft::open().map_err(firewall)?;
    remove(&mut nft, |nft| match look_up(nft, owner, ports)? {
        Some(found) => Ok((found, Vec::new())),
        None => search(nft, |tag| owner.owns(tag)),
    })
}

/// Removes what is published for attachments of `network` that are not in `keep`, and returns it.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<Vec<Element>> {
    let kept: BTreeSet<String> = keep.iter().map(|attachment| Owner::new(network, attachment).prefix()).collect();
    let hash = network_hash(network);
    let is_garbage =
        |tag: &str| tag_prefix(tag).is_some_and(|prefix| prefix.starts_with(&hash) && !kept.contains(prefix));
    let mut nft = Nft::open().map_err(firewall)?;
    let removed = remove(&mut nft, |nft| search(nft, is_garbage))?;
    rules::section().release_garbage(&mut nft)?;
    Ok(removed)
}

/// Elements, and handles of conditional rules.
type Found = (Vec<Placed>, Vec<u64>);

fn remove(nft: &mut Nft, mut find: impl FnMut(&mut Nft) -> nft::Result<Found>) -> Result<Vec<Element>> {
    let mut removed = Vec::new();
    let commit = nft.transaction(|nft| {
        let (elements, rules) = find(nft)?;
        let mut batch = Batch::new();
        for handle in rules {
            batch.delete_rule(&table(), CONDITIONAL, handle);
        }
        for Placed { set, element } in &elements {
            batch.delete_elements(&table(), set, [element.clone()]);
        }
        removed =
            elements.into_iter().filter(|placed| Sets::takes_port(&placed.set)).map(|placed| placed.element).collect();
        Ok::<_, nft::Error>(batch)
    });
    commit.map_err(firewall)?;
    Ok(removed)
}

/// The elements of `ports`, if each of them is there without conditions and is the owner's.
fn look_up(nft: &mut Nft, owner: &Owner, ports: &[Published]) -> nft::Result<Option<Vec<Placed>>> {
    let mut found: Vec<Placed> = Vec::new();
    for port in ports {
        let taken = present(nft, &rules::elements(port, crate::plan::Snat::Nobody, false))?;
        let connections = present(
            nft,
            &[
                rules::elements(port, crate::plan::Snat::Locals, false),
                rules::elements(port, crate::plan::Snat::Everybody, false),
            ]
            .concat(),
        )?;
        if !taken.iter().any(|placed| is_of(owner, &placed.element)) {
            return Ok(None);
        }
        for placed in connections.into_iter().filter(|placed| is_of(owner, &placed.element)) {
            if !found.contains(&placed) {
                found.push(placed);
            }
        }
    }
    Ok((!ports.is_empty()).then_some(found))
}

fn present(nft: &mut Nft, wanted: &[Placed]) -> nft::Result<Vec<Placed>> {
    let mut found = Vec::new();
    for Placed { set, element } in wanted {
        let element = nft.element(&table(), set, &element.key)?;
        found.extend(element.map(|element| Placed { set: set.clone(), element }));
    }
    Ok(found)
}

/// Everything whose tag is wanted.
fn search(nft: &mut Nft, wanted: impl Fn(&str) -> bool) -> nft::Result<Found> {
    let mut found = Vec::new();
    for set in Sets::of(true).all().into_iter().chain(Sets::of(false).all()) {
        let elements = match nft.elements(&table(), &set) {
            Err(error) if error.is_not_found() => return Ok(Found::default()),
            listed => listed?,
        };
        let tagged = elements.into_iter().filter(|element| element.comment.as_deref().is_some_and(&wanted));
        found.extend(tagged.map(|element| Placed { set: set.clone(), element }));
    }
    let rules = nft.rules(&table(), CONDITIONAL)?;
    let rules = rules.iter().filter(|rule| rule.comment.as_deref().is_some_and(&wanted)).map(|rule| rule.handle);
    Ok((found, rules.collect()))
}

/// Fails unless every port is published as the configuration has it.
pub fn check(owner: &Owner, plan: &Plan, ports: &[Published]) -> Result<()> {
    let mut nft = Nft::open().map_err(firewall)?;
    for Placed { set, element } in all_elements(owner, plan, ports, None) {
        let present = nft.element(&table(), &set, &element.key).map_err(firewall)?;
        let same = |present: &Element| is_of(owner, present) && present.data == element.data;
        if !present.as_ref().is_some_and(same) {
            return Err(failed(format!("check published ports: set {} lacks {element}", set.name)));
        }
    }
    let conditional = ports.iter().filter(|port| is_conditional(plan, port)).count();
    if conditional > 0 {
        let rules = nft.rules(&table(), CONDITIONAL).map_err(firewall)?;
        let own = rules.iter().filter(|rule| rule.comment.as_deref().is_some_and(|tag| owner.owns(tag))).count();
        if own < conditional {
            return Err(failed(format!(
                "check published ports: chain {CONDITIONAL} has {own} rules, not {conditional}"
            )));
        }
    }
    Ok(())
}

fn is_of(owner: &Owner, element: &Element) -> bool {
    element.comment.as_deref().is_some_and(|tag| owner.owns(tag))
}

/// An error inside a transaction: the kernel's, or our refusal.
struct Failure(Error);

impl From<nft::Error> for Failure {
    fn from(error: nft::Error) -> Self {
        Self(firewall(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}
