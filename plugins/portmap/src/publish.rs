//! Publishing ports, and looking whether they are published: thin code around the data of [`rules`].

use std::collections::HashSet;

use attach::{Owner, firewall, kernel, tag_prefix, verify::failed};
use cni::{Code, Error, Result};
use net::Rtnl;
use nft::{Batch, Element, Nft, Rule};

use crate::{
    conditions::Conditions,
    note::Note,
    plan::{Plan, Published},
    release::{Found, delete, is_of, release_hairpins, search},
    rules::{self, CONDITIONAL, Led, Placed, by_set, table},
    sets::Sets,
    words,
};

/// The ports of one attachment.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    pub owner: &'a Owner,
    pub plan: &'a Plan,
    pub ports: &'a [Published],
    /// Those that are to be reached at the container's own address.
    pub open: &'a [Published],
}

impl Publication<'_> {
    /// Publishes the ports, and returns those that are its own now: runtimes tell each network of a container all of its
    /// ports, and an interface that has one keeps it. `note` is what the elements are to say, but for their number. Ports
    /// with conditions in the words of `nft` are taken, but lead nowhere before [`Self::publish_words`].
    ///
    /// # Errors
    /// Code 101 if a port is published already for another container whose link is there. Then nothing has changed.
    pub fn publish(&self, nft: &mut Nft, host: &mut Rtnl, note: &Note) -> Result<Vec<Published>> {
        rules::section().section.ensure(nft)?;
        match self.publish_all(nft, host, note) {
            Err(error) if error.code == Code::InUse => {
                let own = self.not_elsewhere(nft, host)?.ok_or(error)?;
                Publication { ports: &own, ..*self }.publish_all(nft, host, note).map(|()| own)
            }
            done => done.map(|()| self.ports.to_vec()),
        }
    }

    fn publish_all(&self, nft: &mut Nft, host: &mut Rtnl, note: &Note) -> Result<()> {
        let (elements, rules) = (self.elements(note), self.rules());
        let commit = nft.transaction(|nft| {
            let mut batch = Batch::new();
            let in_the_way = self.in_the_way(nft, host, &elements)?;
            delete(&mut batch, &in_the_way);
            release_hairpins(nft, &mut batch, &in_the_way.without(self.owner))?;
            for (set, elements) in by_set(&elements) {
                batch.add_elements(&table(), &set, elements);
            }
            for rule in &rules {
                batch.add_rule(&table(), CONDITIONAL, rule);
            }
            Ok::<_, Failure>(batch)
        });
        commit.map_err(|Failure(error)| error)
    }

    /// Lets ports lead to the container whose conditions only `nft` understands.
    pub fn publish_words(&self) -> Result<()> {
        let of_port = |port: &Published| match self.conditions(port) {
            Conditions::Words(words) => Some(rules::conditional_words(port, words, &self.owner.tag())),
            Conditions::None | Conditions::Native(_) => None,
        };
        words::add(&self.ports.iter().filter_map(of_port).collect::<String>())
    }

    /// Fails unless every port is published as the configuration has it, or for another interface of the container.
    pub fn check(&self, nft: &mut Nft, host: &mut Rtnl) -> Result<()> {
        match self.check_all(nft) {
            Err(error) if error.code == Code::CheckFailed => {
                let own = self.not_elsewhere(nft, host)?.ok_or(error)?;
                Publication { ports: &own, ..*self }.check_all(nft)
            }
            done => done,
        }
    }

    fn check_all(&self, nft: &mut Nft) -> Result<()> {
        for Placed { set, element } in self.elements(&Note::default()) {
            let present = nft.element(&table(), &set, &element.key).map_err(firewall)?;
            let same = |present: &Element| {
                is_of(self.owner, present) && present.data == element.data && present.last() == element.last()
            };
            if !present.as_ref().is_some_and(same) {
                return Err(failed(format!("check published ports: {} lacks {element}", set.name)));
            }
        }
        for (chain, rules) in &rules::section().section.chains {
            let present = nft.rules(&table(), &chain.name).map_err(firewall)?;
            let (present, expected) = if chain.name == CONDITIONAL {
                let own = |rule: &&nft::ListedRule| rule.comment.as_deref().is_some_and(|tag| self.owner.owns(tag));
                (present.iter().filter(own).count(), self.conditional_rules())
            } else {
                (present.len(), rules.len())
            };
            if present < expected {
                let name = &chain.name;
                let msg = format!("check published ports: chain {name} has {present} rules, not {expected}");
                return Err(failed(msg));
            }
        }
        Ok(())
    }

    /// The ports without those that other interfaces of the container have; none if they have none.
    fn not_elsewhere(&self, nft: &mut Nft, host: &mut Rtnl) -> Result<Option<Vec<Published>>> {
        let mut own = Vec::new();
        for port in self.ports {
            if !self.is_elsewhere(nft, host, port)? {
                own.push(*port);
            }
        }
        Ok(Some(own).filter(|own| own.len() < self.ports.len()))
    }

    fn is_elsewhere(&self, nft: &mut Nft, host: &mut Rtnl, port: &Published) -> Result<bool> {
        for conditional in [false, true] {
            let Placed { set, element } = rules::taker(&port.from, conditional);
            let Some(taken) = nft.element(&table(), &set, &element.key).map_err(firewall)? else { continue };
            let tag = taken.comment.as_deref().unwrap_or_default();
            if self.owner.is_of_container(tag) && is_living(host, &taken)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Every element once, the owner's own first: two addresses of the host may lead to one port of the container.
    fn elements(&self, note: &Note) -> Vec<Placed> {
        let of_port = |port: &Published| rules::elements(port, self.plan.snat, self.is_conditional(port));
        let open = self.open.iter().map(|port| rules::open(port.to.ip(), &port.inside()));
        let all = [rules::owner(self.owner)].into_iter().chain(self.ports.iter().flat_map(of_port)).chain(open);
        let mut seen = HashSet::new();
        let all: Vec<Placed> = all.filter(|placed| seen.insert(placed.clone())).collect();
        let owners = Note { elements: all.len(), ..note.clone() };
        let others = Note { homes: Vec::new(), ..owners.clone() };
        let tag = self.owner.tag();
        let sign = |(place, Placed { set, element }): (usize, Placed)| {
            let note = if place == 0 { &owners } else { &others };
            Placed { set, element: note.on(element.comment(&tag)) }
        };
        all.into_iter().enumerate().map(sign).collect()
    }

    fn rules(&self) -> Vec<Rule> {
        let of_port = |port: &Published| match self.conditions(port) {
            Conditions::Native(alternatives) => rules::conditional_rules(port, alternatives, &self.owner.tag()),
            Conditions::None | Conditions::Words(_) => Vec::new(),
        };
        self.ports.iter().flat_map(of_port).collect()
    }

    /// How many rules there are for ports with conditions.
    fn conditional_rules(&self) -> usize {
        let of_port = |port: &Published| match self.conditions(port) {
            Conditions::None => 0,
            Conditions::Words(_) => 1,
            Conditions::Native(alternatives) => alternatives.len(),
        };
        self.ports.iter().map(of_port).sum()
    }

    fn conditions(&self, port: &Published) -> &Conditions {
        self.plan.conditions(port.from.family)
    }

    fn is_conditional(&self, port: &Published) -> bool {
        self.plan.is_conditional(port)
    }

    /// Where else the ports may be taken: a port that is published with conditions is not in the map of those without, and
    /// the other way round.
    fn rivals(&self) -> impl Iterator<Item = Placed> {
        self.ports.iter().map(|port| rules::taker(&port.from, !self.is_conditional(port)))
    }

    /// Ranges that have some of the ports, and what is in ranges that are to come.
    fn overlapping(&self, nft: &mut Nft) -> Result<Vec<Placed>, Failure> {
        let mut found = Vec::new();
        for set in rules::overlapping(self.ports.iter().map(|port| &port.from)) {
            let present = nft.elements(&table(), &set)?.into_iter();
            let present = present.filter(|element| self.ports.iter().any(|port| rules::overlaps(element, &port.from)));
            found.extend(present.map(|element| Placed { set: set.clone(), element }));
        }
        Ok(found)
    }

    /// What has to go before `elements` can come: everything of owners who have gone, or our own of an ADD that was
    /// killed, if any of it is in their places.
    fn in_the_way(&self, nft: &mut Nft, host: &mut Rtnl, elements: &[Placed]) -> Result<Found, Failure> {
        let (mut present, mut gone): (Vec<Placed>, HashSet<String>) = (Vec::new(), HashSet::new());
        let mut found = self.overlapping(nft)?;
        for Placed { set, element } in elements.iter().cloned().chain(self.rivals()) {
            found.extend(nft.element(&table(), &set, &element.key)?.map(|element| Placed { set, element }));
        }
        for Placed { set, element } in found {
            let own = is_of(self.owner, &element);
            if Sets::takes_port(&set) && !own {
                refuse_living(host, &element)?;
            }
            if Sets::takes_port(&set) || own {
                gone.extend(element.comment.as_deref().and_then(tag_prefix).map(str::to_owned));
            }
            present.push(Placed { set, element });
        }
        if gone.is_empty() {
            return Ok(Found { elements: present, rules: Vec::new() });
        }
        let mut found = search(nft, &|tag| tag_prefix(tag).is_some_and(|prefix| gone.contains(prefix)))?;
        let mut seen: HashSet<Placed> = found.elements.iter().cloned().collect();
        found.elements.extend(present.into_iter().filter(|placed| seen.insert(placed.clone())));
        Ok(found)
    }
}

/// Whether the owner of `taken` is still there. Where its link is not known, it is taken for being there.
fn is_living(host: &mut Rtnl, taken: &Element) -> Result<bool> {
    let tag = taken.comment.as_deref().unwrap_or_default();
    let Some(name) = Note::of(taken).and_then(|note| note.link) else { return Ok(true) };
    let link = host.link(&name).map_err(kernel)?;
    // The name may be another's by now.
    let is_owners = |alias: &str| tag_prefix(alias).is_none_or(|prefix| tag_prefix(tag) == Some(prefix));
    Ok(link.is_some_and(|link| link.alias.as_deref().is_none_or(is_owners)))
}

/// Fails if the owner of `taken` is still there.
fn refuse_living(host: &mut Rtnl, taken: &Element) -> Result<()> {
    if !is_living(host, taken)? {
        return Ok(());
    }
    let tag = taken.comment.as_deref().unwrap_or_default();
    let port = Led::by(taken).map(|led| led.to_string()).unwrap_or_default();
    let owner = tag.split_once(", ").map_or("somebody", |(_, owner)| owner);
    Err(Error::new(Code::InUse, format!("publish host port {port}: it is published already for {owner}"))
        .details(format!("element {}", taken.key)))
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
