//! Changes that the kernel applies together or not at all.

mod command;

pub(crate) use command::Plan;
use command::{Change, Command, Subject};
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_netfilter::nftables::NfTablesMessage;

use crate::client::Generation;
use crate::error::Error;
use crate::model::{Chain, Element, Rule, Set, Table};
use crate::wire::{Message, Refusal, element, object, rule};

/// `NLM_F_*` that insist on adding.
const EXCLUSIVE: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// Changes to the ruleset, in order.
///
/// `ensure_*` adds what is missing and is content with what is there (nft's `add`); `add_*` insists on adding (nft's
/// `create`) and makes the whole batch fail with EEXIST; `delete_*` fails with ENOENT when there is nothing to delete.
///
/// Nothing happens before [`Nft::commit`](crate::Nft::commit). What cannot be sent at all, such as a key that is not of
/// the set's type, is reported there too.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    commands: Vec<Command>,
    /// Numbers the sets that this batch adds, which the kernel asks for.
    set_id: u32,
    refused: Option<Error>,
}

impl Batch {
    /// An empty batch; committing it sends nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.refused.is_none()
    }

    /// Applies only if the ruleset is still of this generation, as read with
    /// [`Nft::generation`](crate::Nft::generation).
    pub fn guarded_by(self, generation: Generation) -> Sealed {
        Sealed { batch: self, generation: Some(generation) }
    }

    /// Adds a table unless it is there.
    pub fn ensure_table(&mut self, table: &Table) {
        self.new_table("add table", table, NLM_F_CREATE);
    }

    /// Adds a table that must not be there.
    pub fn add_table(&mut self, table: &Table) {
        self.new_table("create table", table, EXCLUSIVE);
    }

    fn new_table(&mut self, op: &'static str, table: &Table, flags: u16) {
        let message = object::table(table).map(NfTablesMessage::NewTable);
        self.push(op, table.to_string(), to(table, flags, message));
    }

    /// Deletes a table with all that is in it.
    pub fn delete_table(&mut self, table: &Table) {
        let message = object::table(table).map(NfTablesMessage::DeleteTable);
        self.push("delete table", table.to_string(), to(table, 0, message));
    }

    /// Adds a chain unless it is there; the policy of one that is there becomes that of `chain`.
    pub fn ensure_chain(&mut self, table: &Table, chain: &Chain) {
        self.new_chain("add chain", table, chain, NLM_F_CREATE);
    }

    /// Adds a chain that must not be there.
    pub fn add_chain(&mut self, table: &Table, chain: &Chain) {
        self.new_chain("create chain", table, chain, EXCLUSIVE);
    }

    fn new_chain(&mut self, op: &'static str, table: &Table, chain: &Chain, flags: u16) {
        let message = object::chain(table, chain).map(NfTablesMessage::NewChain);
        self.push(op, format!("{table} {}", chain.name), to(table, flags, message));
    }

    /// Deletes a chain and its rules; rules elsewhere must not lead to it (EBUSY).
    pub fn delete_chain(&mut self, table: &Table, chain: &str) {
        let message = object::chain_name(table, chain).map(NfTablesMessage::DeleteChain);
        self.push("delete chain", format!("{table} {chain}"), to(table, 0, message));
    }

    /// Adds a set or map unless it is there.
    pub fn ensure_set(&mut self, table: &Table, set: &Set) {
        let op = if set.data.is_some() { "add map" } else { "add set" };
        self.new_set(op, table, set, NLM_F_CREATE);
    }

    /// Adds a set or map that must not be there.
    pub fn add_set(&mut self, table: &Table, set: &Set) {
        let op = if set.data.is_some() { "create map" } else { "create set" };
        self.new_set(op, table, set, EXCLUSIVE);
    }

    fn new_set(&mut self, op: &'static str, table: &Table, set: &Set, flags: u16) {
        self.set_id += 1;
        let message = object::set(table, set, self.set_id).map(NfTablesMessage::NewSet);
        self.push(op, format!("{table} {}", set.name), to(table, flags, message));
    }

    /// Deletes a set or map with its elements; rules must not refer to it (EBUSY).
    pub fn delete_set(&mut self, table: &Table, set: &str) {
        let message = object::set_name(table, set).map(NfTablesMessage::DeleteSet);
        self.push("delete set", format!("{table} {set}"), to(table, 0, message));
    }

    /// Deletes all elements of a set or map.
    pub fn flush_set(&mut self, table: &Table, set: &str) {
        let message = element::message(table, set, None, Vec::new()).map(NfTablesMessage::DeleteSetElement);
        self.push("flush set", format!("{table} {set}"), to(table, 0, message));
    }

    /// Appends a rule to a chain.
    pub fn add_rule(&mut self, table: &Table, chain: &str, rule: &Rule) {
        let place = format!("{table} {chain}");
        match rule::rule(table, chain, rule, &mut self.set_id) {
            Ok((sets, message)) => {
                for set in sets {
                    self.push("add rule", place.clone(), to(table, NLM_F_CREATE, Ok(set)));
                }
                let message = Ok(NfTablesMessage::NewRule(message));
                self.push("add rule", place, to(table, NLM_F_CREATE | NLM_F_APPEND, message));
            }
            Err(refusal) => self.refuse("add rule", place, refusal),
        }
    }

    /// Deletes a rule by the handle that [`Nft::rules`](crate::Nft::rules) lists.
    pub fn delete_rule(&mut self, table: &Table, chain: &str, handle: u64) {
        let message = rule::rule_name(table, chain, Some(handle)).map(NfTablesMessage::DeleteRule);
        self.push("delete rule", format!("{table} {chain} handle {handle}"), to(table, 0, message));
    }

    /// Deletes all rules of a chain.
    pub fn flush_chain(&mut self, table: &Table, chain: &str) {
        let message = rule::rule_name(table, chain, None).map(NfTablesMessage::DeleteRule);
        self.push("flush chain", format!("{table} {chain}"), to(table, 0, message));
    }

    /// Adds elements unless they are there. In a map, one that is there with other data fails (EEXIST). User data of
    /// one that is there stays as it is.
    pub fn ensure_elements(&mut self, table: &Table, set: &Set, elements: impl IntoIterator<Item = Element>) {
        self.elements(Change::Ensure, table, set, elements);
    }

    /// Adds elements that must not be there.
    pub fn add_elements(&mut self, table: &Table, set: &Set, elements: impl IntoIterator<Item = Element>) {
        self.elements(Change::Add, table, set, elements);
    }

    /// Deletes elements; only their keys matter.
    pub fn delete_elements(&mut self, table: &Table, set: &Set, elements: impl IntoIterator<Item = Element>) {
        self.elements(Change::Delete, table, set, elements);
    }

    fn elements(&mut self, change: Change, table: &Table, set: &Set, elements: impl IntoIterator<Item = Element>) {
        match command::elements(change, table, set, elements) {
            Ok(commands) => self.commands.extend(commands),
            Err((object, refusal)) => self.refuse(change.op(), object, refusal),
        }
    }

    fn push(&mut self, op: &'static str, object: String, message: Result<Message, Refusal>) {
        match message {
            Ok(message) => self.commands.push(Command { message, op, subject: Subject::Object(object) }),
            Err(refusal) => self.refuse(op, object, refusal),
        }
    }

    /// The first refusal is the one that is reported.
    fn refuse(&mut self, op: &'static str, object: String, why: Refusal) {
        self.refused.get_or_insert_with(|| Error::invalid(op, object, why));
    }
}

fn to(table: &Table, flags: u16, message: Result<NfTablesMessage, Refusal>) -> Result<Message, Refusal> {
    message.map(|message| Message::nftables(table.family, flags, message))
}

/// A batch that is complete, with the generation of the ruleset that it was made for, if that matters.
#[derive(Debug, Clone)]
pub struct Sealed {
    batch: Batch,
    generation: Option<Generation>,
}

impl From<Batch> for Sealed {
    fn from(batch: Batch) -> Self {
        Self { batch, generation: None }
    }
}

impl Sealed {
    /// What to send; `None` when there is nothing to do.
    pub(crate) fn plan(self) -> Result<Option<Plan>, Error> {
        match self.batch.refused {
            Some(refused) => Err(refused),
            None if self.batch.commands.is_empty() => Ok(None),
            None => Ok(Some(Plan::new(self.batch.commands, self.generation))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyType;
    use crate::model::Family;

    #[test]
    fn empty_batch_has_no_plan() {
        let mut batch = Batch::new();
        let set = Set::new("s", [KeyType::InetService]);
        batch.add_elements(&Table::new(Family::Inet, "t"), &set, []);
        assert!(batch.is_empty());
        assert!(Sealed::from(batch).plan().unwrap().is_none());
    }

    #[test]
    fn first_refusal_is_reported() {
        let mut batch = Batch::new();
        let table = Table::new(Family::Inet, "t");
        let set = Set::new("s", [KeyType::InetService]);
        batch.ensure_table(&table);
        batch.add_elements(&table, &set, [Element::new(7_u32)]);
        batch.delete_chain(&table, "");
        let error = Sealed::from(batch).plan().unwrap_err();
        assert_eq!(error.to_string(), "create element inet t s { 0x00000007 }: Invalid argument (EINVAL)");
        assert_eq!(error.extack.as_deref(), Some("the key is mark, the set wants inet_service"));
    }
}
