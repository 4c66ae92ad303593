//! The ruleset of one network namespace.

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::Duration;

use netlink_packet_netfilter::nftables::{GenMessage, NfTablesMessage};
use nix::errno::Errno;

use crate::batch::{Batch, Sealed};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::model::{Element, Family, Set, Table};
use crate::socket::{Failure, Socket};
use crate::userdata;
use crate::wire::attr::Attrs;
use crate::wire::{Message, Refusal, element, object, rule};

/// `NFTA_GEN_ID`, `include/uapi/linux/netfilter/nf_tables.h`
const GEN_ID: u16 = 1;
/// How often a transaction is tried when others keep committing.
const TRANSACTION_TRIES: u32 = 50;
/// The longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// A number that every change of the ruleset increases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(pub(crate) u32);

/// A rule as listed: enough to know whose it is, and to delete it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRule {
    /// What [`Batch::delete_rule`] takes.
    pub handle: u64,
    /// The comment.
    pub comment: Option<String>,
    /// All user data, undecoded.
    pub userdata: Vec<u8>,
}

/// An open connection to `nf_tables`, in the network namespace of the thread that opened it, wherever it is used.
#[derive(Debug)]
pub struct Nft {
    socket: Socket,
}

impl Nft {
    /// Opens a socket in the current thread's network namespace.
    pub fn open() -> Result<Self> {
        Socket::open().map(|socket| Self { socket })
    }

    /// The generation of the ruleset now.
    pub fn generation(&mut self) -> Result<Generation> {
        let message = NfTablesMessage::GetGen(GenMessage { attributes: Vec::new() });
        let mut generation = None;
        self.socket
            .request(Message::nftables(Family::Inet, 0, message), |payload| generation = Attrs(payload).be32(GEN_ID))
            .map_err(|failure| failure.into_error("read", "ruleset generation"))?;
        generation.map(Generation).ok_or_else(|| Error::new("read", "ruleset generation", Errno::EBADMSG))
    }

    /// Applies a batch: all of it, or nothing and the first error. An empty batch does nothing at all.
    pub fn commit(&mut self, batch: impl Into<Sealed>) -> Result<()> {
        match batch.into().plan()? {
            Some(plan) => self.socket.commit(plan),
            None => Ok(()),
        }
    }

    /// Reads, decides and changes as if nobody else did.
    ///
    /// `build` reads the ruleset and returns the changes. They are committed if nobody committed since before `build` ran;
    /// otherwise `build` runs again. After 50 tries the error is the last ERESTART.
    pub fn transaction<E: From<Error>>(
        &mut self,
        mut build: impl FnMut(&mut Self) -> std::result::Result<Batch, E>,
    ) -> std::result::Result<(), E> {
        let mut tries = 0;
        loop {
            let generation = self.generation()?;
            let batch = build(self)?;
            match self.commit(batch.guarded_by(generation)) {
                Err(error) if error.is_restart() && tries < TRANSACTION_TRIES => {
                    tries += 1;
                    thread::sleep(pause(tries));
                }
                result => return Ok(result?),
            }
        }
    }

    /// Whether a table is there.
    pub fn table_exists(&mut self, table: &Table) -> Result<bool> {
        let message = object::table(table).map(NfTablesMessage::GetTable);
        self.exists("find table", table.to_string(), table, message)
    }

    /// Whether a chain is there; not, if the table is not.
    pub fn chain_exists(&mut self, table: &Table, chain: &str) -> Result<bool> {
        let message = object::chain_name(table, chain).map(NfTablesMessage::GetChain);
        self.exists("find chain", format!("{table} {chain}"), table, message)
    }

    /// Whether a set or map is there; not, if the table is not.
    pub fn set_exists(&mut self, table: &Table, set: &str) -> Result<bool> {
        let message = object::set_name(table, set).map(NfTablesMessage::GetSet);
        self.exists("find set", format!("{table} {set}"), table, message)
    }

    fn exists(
        &mut self,
        op: &'static str,
        object: String,
        table: &Table,
        message: std::result::Result<NfTablesMessage, Refusal>,
    ) -> Result<bool> {
        let message = message.map_err(|refusal| Error::invalid(op, object.clone(), refusal))?;
        match self.socket.request(Message::nftables(table.family, 0, message), |_| {}) {
            Ok(()) => Ok(true),
            Err(Failure { errno: Errno::ENOENT, .. }) => Ok(false),
            Err(failure) => Err(failure.into_error(op, object)),
        }
    }

    /// All elements of a set or map. [`Error::is_not_found`] when it, or its table, is not there.
    pub fn elements(&mut self, table: &Table, set: &Set) -> Result<Vec<Element>> {
        let op = "list set";
        let object = format!("{table} {}", set.name);
        let message = element::message(table, &set.name, None, Vec::new())
            .map_err(|refusal| Error::invalid(op, object.clone(), refusal))?;
        let message = Message::nftables(table.family, 0, NfTablesMessage::GetSetElement(message));
        let raws = self
            .socket
            .dump(&message, |payload, raws| element::decode(set, payload, raws))
            .map_err(|failure| failure.into_error(op, object.clone()))?;
        element::join(set, raws).ok_or_else(|| Error::new(op, object, Errno::EBADMSG))
    }

    /// The element for a key: with ranges, the one whose range the key is in. `None` also when the set is not there.
    pub fn element(&mut self, table: &Table, set: &Set, key: &Key) -> Result<Option<Element>> {
        let op = "get element";
        let object = format!("{table} {} {{ {key} }}", set.name);
        let message = element::query(set, key)
            .and_then(|query| element::message(table, &set.name, None, query))
            .map_err(|refusal| Error::invalid(op, object.clone(), refusal))?;
        let message = Message::nftables(table.family, 0, NfTablesMessage::GetSetElement(message));
        let mut answers = Vec::new();
        match self.socket.request(message, |payload| element::decode(set, payload, &mut answers)) {
            // Of several questions one was answered with no; that is an answer too.
            Ok(()) | Err(Failure { errno: Errno::ENOENT, .. }) => Ok(element::found(set, key, answers)),
            Err(failure) => Err(failure.into_error(op, object)),
        }
    }

    /// The rules of a chain in order; none when it is not there.
    pub fn rules(&mut self, table: &Table, chain: &str) -> Result<Vec<ListedRule>> {
        let op = "list chain";
        let object = format!("{table} {chain}");
        let message =
            rule::rule_name(table, chain, None).map_err(|refusal| Error::invalid(op, object.clone(), refusal))?;
        let message = Message::nftables(table.family, 0, NfTablesMessage::GetRule(message));
        let decode = |payload: &[u8], rules: &mut Vec<ListedRule>| {
            rules.extend(rule::decode(payload).map(|(handle, userdata)| {
                let (comment, _) = userdata::decode(&userdata);
                ListedRule { handle, comment, userdata }
            }));
        };
        self.socket.dump(&message, decode).map_err(|failure| failure.into_error(op, object))
    }
}

/// A random pause, longer after more tries, so that those who collide do not collide again.
fn pause(tries: u32) -> Duration {
    let random = RandomState::new().hash_one(tries) % 100;
    PAUSE_MAX.min(Duration::from_micros((random + 1) * u64::from(tries)))
}
