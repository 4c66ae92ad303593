//! The leases as a list, and what each call has to do to them.

use std::{collections::BTreeMap, net::IpAddr};

use ipnetwork::IpNetwork;

use super::Whose;

/// Lease files by their names, with their content.
pub type Leases = BTreeMap<String, String>;

/// What an ADD has to answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Given(String),
    Duplicate,
    Full,
}

/// A range, and the leases that there should be.
pub struct Model {
    /// What may be handed out, in ascending order.
    range: Vec<IpAddr>,
    pub leases: Leases,
}

impl Model {
    /// From the second address of `subnet` to `end`, or the last but one.
    pub fn new(subnet: &str, end: &str) -> Self {
        let subnet: IpNetwork = subnet.parse().unwrap();
        let end: Option<IpAddr> = if end.is_empty() { None } else { Some(end.parse().unwrap()) };
        let hosts =
            subnet.iter().skip(2).take_while(|ip| *ip != subnet.broadcast() && end.is_none_or(|end| *ip <= end));
        Self { range: hosts.collect(), leases: Leases::new() }
    }

    /// Addresses for leases that come by hand, of the range and beside it.
    pub fn places(&self) -> Vec<String> {
        let beside = ["10.9.9.1", "10.9.9.2", "fd09::1"].map(String::from);
        self.range.iter().map(ToString::to_string).chain(beside).collect()
    }

    fn is_in_range(&self, name: &str) -> bool {
        name.parse().is_ok_and(|ip| self.range.contains(&ip))
    }

    /// Whether an owner has a lease of the range.
    pub fn has(&self, owner: &str) -> bool {
        self.leases.iter().any(|(name, content)| content == owner && self.is_in_range(name))
    }

    /// An ADD behind the address that was handed out last. A lease without content is free for ours.
    pub fn add(&mut self, whose: Whose, owner: &str, last: Option<IpAddr>) -> Answer {
        if self.has(owner) {
            return Answer::Duplicate;
        }
        let begin = last.filter(|last| self.range.contains(last));
        let behind = self.range.iter().filter(|ip| begin.is_none_or(|last| **ip > last));
        let before = self.range.iter().filter(|ip| begin.is_some_and(|last| **ip <= last));
        let is_free = |ip: &&IpAddr| match self.leases.get(&ip.to_string()) {
            None => true,
            Some(content) => content.is_empty() && whose == Whose::Ours,
        };
        let Some(ip) = behind.chain(before).find(is_free).map(ToString::to_string) else { return Answer::Full };
        self.leases.insert(ip.clone(), owner.to_owned());
        Answer::Given(ip)
    }

    /// A DEL. Ours heals leases without content.
    pub fn del(&mut self, whose: Whose, owner: &str) {
        self.leases.retain(|_, content| content != owner && !(content.is_empty() && whose == Whose::Ours));
    }

    /// A GC that leaves these owners.
    pub fn gc(&mut self, keep: &[String]) {
        self.leases.retain(|_, content| keep.contains(content));
    }

    /// What is wrong after a call that was killed: every lease has to be as it was before, or as it should have become. Leases
    /// without content may have gone, and the reference may leave one.
    pub fn wrong_after_kill(&self, before: &Leases, after: &Leases, whose: Whose) -> Option<String> {
        let names = before.keys().chain(self.leases.keys()).chain(after.keys());
        names.into_iter().find_map(|name| {
            let [was, should, is] = [before, &self.leases, after].map(|leases| leases.get(name));
            let healed = was.is_some_and(String::is_empty) && is.is_none();
            let half = whose == Whose::Reference && should.is_some() && is.is_some_and(String::is_empty);
            let fine = is == was || is == should || healed || half;
            (!fine).then(|| format!("{name} was {was:?}, should be {should:?}, is {is:?}"))
        })
    }
}
