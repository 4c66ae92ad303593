//! The chains of the reference, as data: from what the table `filter` holds to one batch. Pure.
//!
//! The rules are the reference's to the byte, so that either plugin removes the other's. Whose they are stands beside
//! them: `MOORING-OWNERS` has a rule for each address, and lets in what comes to it by a published port, which the reference
//! leaves to be dropped. Each bridge with a policy has a chain `MOORING-<hash>` that no packet visits, with a rule for each
//! attachment. A bridge's rules come and go with that chain: creating it fails if it is there, and removing it if anybody is
//! in it, so that nobody's policy goes unseen.

use std::net::IpAddr;

use attach::network_hash;
use ipnetwork::IpNetwork;
use iptables::{Batch, Rule, Saved};

use crate::plan::Policy;

/// The table.
pub const FILTER: &str = "filter";
/// The chain that holds what is let through.
pub const CNI_FORWARD: &str = "CNI-FORWARD";
/// The chain of addresses and their owners, which may be reached by published ports.
pub const OWNERS: &str = "MOORING-OWNERS";
/// Where what routers forward begins.
pub const FORWARD: &str = "FORWARD";
const STAGE_1: &str = "CNI-ISOLATION-STAGE-1";
const STAGE_2: &str = "CNI-ISOLATION-STAGE-2";
/// How the comments of the reference's rules begin.
const COMMENT: &str = "CNI firewall plugin";
/// How the names of all our chains begin.
const OURS: &str = "MOORING-";

/// What an attachment is to have in one family.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The owner's tag.
    pub tag: String,
    /// The addresses, of that family.
    pub addresses: Vec<IpAddr>,
    /// The administrator's chain.
    pub admin: &'a str,
    /// The bridge that has a policy.
    pub bridge: Option<(&'a str, Policy)>,
}

/// A rule, where it is to be, and how it gets there.
struct Placed {
    chain: &'static str,
    rule: Rule,
    first: bool,
}

impl Placed {
    fn first(chain: &'static str, rule: Rule) -> Self {
        Self { chain, rule, first: true }
    }

    fn last(chain: &'static str, rule: Rule) -> Self {
        Self { chain, rule, first: false }
    }

    fn is_there(&self, saved: &Saved) -> bool {
        saved.rules(self.chain).any(|rule| same(rule, &self.rule))
    }
}

impl Wanted<'_> {
    /// What is missing. Rules of others that this relies on are demanded, so that they do not go meanwhile.
    pub fn add(&self, saved: &Saved) -> Batch {
        let mut batch = Batch::new(FILTER);
        if saved.rules(OWNERS).next().is_none() {
            batch.doubt();
        }
        for chain in [CNI_FORWARD, self.admin, OWNERS].into_iter().filter(|chain| !saved.has_chain(chain)) {
            batch.create_chain(chain);
        }
        ensure(saved, &mut batch, jumps(self.admin));
        // Not demanded where they are there: who takes them away takes their record, too.
        let accepts = self.addresses.iter().flat_map(|address| accept(*address));
        for placed in accepts.filter(|placed| !placed.is_there(saved)) {
            batch.append(placed.chain, &placed.rule);
        }
        // Nobody takes that away.
        if !to_published().is_there(saved) {
            batch.doubt();
            batch.append(CNI_FORWARD, &to_published().rule);
        }
        for address in &self.addresses {
            self.record(saved, &mut batch, *address);
        }
        if let Some((bridge, policy)) = self.bridge {
            self.protect(saved, &mut batch, bridge, policy);
        }
        batch
    }

    /// An address has one owner: the last.
    fn record(&self, saved: &Saved, batch: &mut Batch, address: IpAddr) {
        let own = record(address, &self.tag);
        let (present, others): (Vec<&Rule>, Vec<&Rule>) = records(saved, address).partition(|rule| same(rule, &own));
        for other in others {
            batch.delete(OWNERS, other);
        }
        if present.is_empty() {
            batch.append(OWNERS, &own);
        }
    }

    fn protect(&self, saved: &Saved, batch: &mut Batch, bridge: &str, policy: Policy) {
        for chain in [STAGE_1, STAGE_2].into_iter().filter(|chain| !saved.has_chain(chain)) {
            batch.create_chain(chain);
        }
        let users = users_chain(bridge, policy);
        match saved.rules(&users).next() {
            Some(other) => batch.require(&users, other),
            None if saved.has_chain(&users) => {}
            None => batch.create_chain(&users),
        }
        ensure(saved, batch, isolation(bridge, policy));
        let own = user(bridge, policy, &self.tag);
        if !saved.rules(&users).any(|rule| same(rule, &own)) {
            batch.append(&users, &own);
        }
    }

    /// What is not as it should be.
    pub fn missing(&self, saved: &Saved, owns: impl Fn(&str) -> bool) -> Option<String> {
        let accepts = self.addresses.iter().flat_map(|address| accept(*address));
        let bridge = self.bridge.iter().flat_map(|(bridge, policy)| isolation(bridge, *policy));
        // The reference knows no records, and leads nobody to them.
        let is_recorded = self.addresses.iter().any(|address| records(saved, *address).next().is_some());
        let published = is_recorded.then(to_published);
        let wanted = jumps(self.admin).into_iter().chain(accepts).chain(published).chain(bridge);
        let absent = wanted.into_iter().find(|placed| !placed.is_there(saved));
        if let Some(Placed { chain, rule, .. }) = absent {
            return Some(format!("chain {chain} lacks {rule}"));
        }
        self.addresses.iter().find_map(|address| {
            let tag = records(saved, *address).filter_map(Rule::text).find(|tag| !owns(tag))?;
            Some(format!("{address} is recorded for {tag}"))
        })
    }
}

/// Adds what is missing, and demands what is there.
fn ensure(saved: &Saved, batch: &mut Batch, wanted: impl IntoIterator<Item = Placed>) {
    for placed in wanted {
        if placed.is_there(saved) {
            batch.require(placed.chain, &placed.rule);
            continue;
        }
        batch.doubt();
        if placed.first {
            batch.insert(placed.chain, &placed.rule);
        } else {
            batch.append(placed.chain, &placed.rule);
        }
    }
}

/// How rules that let addresses through are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// By their words.
    Words,
    /// By their places: a program that could not ask the kernel for its revision of `conntrack` has written an older one,
    /// which has the same words and is not found by them.
    Places,
}

/// The batch that takes back what `is_going` says is going by its tag, and what stands for `told` addresses that are
/// nobody's: the reference has made that. A bridge that is `in_use` by attachments of the reference keeps its policy.
pub fn remove(
    saved: &Saved,
    is_going: impl Fn(&str) -> bool,
    told: &[IpAddr],
    mut in_use: impl FnMut(&str) -> bool,
    by: Name,
) -> Batch {
    let mut batch = Batch::new(FILTER);
    let is_going = |rule: &&Rule| rule.text().is_some_and(&is_going);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for rule in saved.rules(OWNERS).filter(is_going) {
        batch.delete(OWNERS, rule);
        addresses.extend(address_of(rule, "-d"));
    }
    addresses.extend(told.iter().filter(|address| records(saved, **address).next().is_none()));
    delete_accepts(saved, &mut batch, &addresses, by);
    delete_duplicates(saved, &mut batch);
    for users in saved.chains().filter(|chain| chain.starts_with(OURS) && *chain != OWNERS) {
        let (going, staying): (Vec<&Rule>, Vec<&Rule>) = saved.rules(users).partition(is_going);
        for own in &going {
            batch.delete(users, own);
        }
        let bridge = going.first().and_then(|rule| Some((rule.value("-i")?, policy_of(rule))));
        let Some((bridge, policy)) = bridge else { continue };
        if let Some(other) = staying.first() {
            // Fails if that one goes at the same time: then this is the last.
            batch.delete(users, other);
            batch.insert(users, other);
        } else {
            batch.delete_empty_chain(users);
            if !in_use(bridge) {
                let own = isolation(bridge, policy).into_iter().filter(|placed| names(&placed.rule, bridge));
                own.for_each(|placed| delete_all(saved, &mut batch, &placed));
            }
        }
    }
    batch
}

/// The addresses that are let through and are nobody's: those of the reference.
pub fn unrecorded(saved: &Saved) -> Vec<IpAddr> {
    let accepted = saved.rules(CNI_FORWARD).filter_map(|rule| address_of(rule, "-s"));
    accepted.filter(|address| records(saved, *address).next().is_none()).collect()
}

/// Whether an address is recorded for somebody who `owns` the tag.
pub fn is_recorded(saved: &Saved, address: IpAddr, owns: impl Fn(&str) -> bool) -> bool {
    records(saved, address).filter_map(Rule::text).any(owns)
}

/// Those that are behind come first: they keep their places.
fn delete_accepts(saved: &Saved, batch: &mut Batch, addresses: &[IpAddr], by: Name) {
    let wanted: Vec<Placed> = addresses.iter().flat_map(|address| accept(*address)).collect();
    let rules: Vec<(usize, &Rule)> = (1..).zip(saved.rules(CNI_FORWARD)).collect();
    for (place, rule) in rules.into_iter().rev() {
        if wanted.iter().any(|placed| same(rule, &placed.rule)) {
            match by {
                Name::Words => batch.delete(CNI_FORWARD, rule),
                Name::Places => batch.delete_at(CNI_FORWARD, place),
            }
        }
    }
}

/// Rules for all containers that are there twice: two have met, or one has been told of half a table. But for the one with
/// `conntrack`, whose words may not find it ([`Name::Places`]).
fn delete_duplicates(saved: &Saved, batch: &mut Batch) {
    let is_shared = |rule: &&Rule| {
        let is_ours = rule.text().is_some_and(|text| text.starts_with(COMMENT));
        is_ours && rule.value("-o").is_none() && rule.value("--ctstate").is_none()
    };
    for chain in [FORWARD, CNI_FORWARD, STAGE_1, STAGE_2] {
        batch.delete_duplicates(chain, saved.rules(chain).filter(is_shared));
    }
}

fn delete_all(saved: &Saved, batch: &mut Batch, placed: &Placed) {
    let equal = saved.rules(placed.chain).filter(|rule| same(rule, &placed.rule));
    for rule in equal {
        batch.delete(placed.chain, rule);
    }
}

fn jumps(admin: &str) -> [Placed; 2] {
    let jump = |comment: &str, to: &str| Rule::new::<&str>([]).comment(comment).and(["-j", to]);
    [
        Placed::first(FORWARD, jump("CNI firewall plugin rules", CNI_FORWARD)),
        Placed::first(CNI_FORWARD, jump("CNI firewall plugin admin overrides", admin)),
    ]
}

/// What the host leads elsewhere than it was sent to, may go to the addresses of containers.
fn to_published() -> Placed {
    let rule = Rule::new::<&str>([]).comment("CNI firewall plugin published ports");
    Placed::last(CNI_FORWARD, rule.and(["-m", "conntrack", "--ctstate", "DNAT", "-j", OWNERS]))
}

fn accept(address: IpAddr) -> [Placed; 2] {
    let host = IpNetwork::from(address).to_string();
    let answers = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"];
    [
        Placed::last(CNI_FORWARD, Rule::new(["-d", &host]).and(answers)),
        Placed::last(CNI_FORWARD, Rule::new(["-s", &host, "-j", "ACCEPT"])),
    ]
}

/// The rules for a bridge, in the order in which they are put in.
fn isolation(bridge: &str, policy: Policy) -> Vec<Placed> {
    let comment = format!("CNI firewall plugin rules (ingressPolicy: {})", policy.name());
    let rule = |words: &[&str], to: &str| Rule::new(words.iter().copied()).comment(&comment).and(["-j", to]);
    let mut rules = vec![
        Placed::first(FORWARD, rule(&[], STAGE_1)),
        Placed::first(STAGE_1, rule(&["-i", bridge, "!", "-o", bridge], STAGE_2)),
    ];
    if policy == Policy::Isolated {
        rules.push(Placed::first(STAGE_1, rule(&["-i", bridge, "-o", bridge], "DROP")));
    }
    rules.push(Placed::last(STAGE_1, rule(&[], "RETURN")));
    rules.push(Placed::first(STAGE_2, rule(&["-o", bridge], "DROP")));
    rules.push(Placed::last(STAGE_2, rule(&[], "RETURN")));
    rules
}

/// Whether a rule is about one bridge, not all.
fn names(rule: &Rule, bridge: &str) -> bool {
    rule.value("-o") == Some(bridge)
}

/// The chain of those who need the policy of a bridge. By its hash: its name may have any characters.
fn users_chain(bridge: &str, policy: Policy) -> String {
    format!("{OURS}{}", network_hash(&format!("{}:{bridge}", policy.name())))
}

fn user(bridge: &str, policy: Policy, tag: &str) -> Rule {
    let rule = match policy {
        Policy::SameBridge => Rule::new(["-i", bridge, "!", "-o", bridge]),
        Policy::Isolated => Rule::new(["-i", bridge, "-o", bridge]),
    };
    rule.comment(tag)
}

fn policy_of(user: &Rule) -> Policy {
    if user.words().iter().any(|word| word == "!") { Policy::SameBridge } else { Policy::Isolated }
}

fn record(address: IpAddr, tag: &str) -> Rule {
    Rule::new(["-d".to_owned(), IpNetwork::from(address).to_string()]).comment(tag).and(["-j", "ACCEPT"])
}

fn records(saved: &Saved, address: IpAddr) -> impl Iterator<Item = &Rule> {
    saved.rules(OWNERS).filter(move |rule| address_of(rule, "-d") == Some(address))
}

fn address_of(rule: &Rule, option: &str) -> Option<IpAddr> {
    let network: IpNetwork = rule.value(option)?.parse().ok()?;
    (network.prefix() == if network.is_ipv4() { 32 } else { 128 }).then(|| network.ip())
}

/// Whether two rules are equal, however their addresses are written.
fn same(one: &Rule, other: &Rule) -> bool {
    let words = one.words().iter().zip(other.words());
    one.words().len() == other.words().len()
        && words.into_iter().all(|(one, other)| one == other || same_network(one, other))
}

fn same_network(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|word| word.parse::<IpNetwork>().ok().filter(|_| word.contains('/')));
    one.is_some() && one == other
}
