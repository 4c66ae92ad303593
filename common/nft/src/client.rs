//! The ruleset of one network namespace.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use netlink_packet_netfilter::nftables::{GenMessage, NfTablesMessage};
use nix::errno::Errno;

use crate::batch::{Batch, Sealed};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::model::{Element, Family, Set, Table};
use crate::socket::{Failure, Socket};
use crate::turn::{self, Turn};
use crate::userdata;
use crate::wire::attr::Attrs;
use crate::wire::{Message, Refusal, element, object, rule};

/// `NFTA_GEN_ID`, `include/uapi/linux/netfilter/nf_tables.h`
const GEN_ID: u16 = 1;
/// How often a reading or a transaction is tried when others keep committing.
const TRIES: u32 = 50;
/// How often a transaction is tried before others have to wait for it.
const TRIES_WITHOUT_TURN: u32 = 4;
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
///
/// What a commit deletes the kernel frees after a grace period of 8 to 16 ms (measured on 6.18), for which neither the
/// commit nor the drop waits. A batch that fails waits in the commit itself.
#[derive(Debug)]
pub struct Nft {
    socket: Socket,
    /// What is read counts only if nobody commits before [`Self::transaction`] does.
    is_in_transaction: bool,
    /// Somebody did, in the middle of a reading.
    is_interrupted: bool,
}

impl Nft {
    /// Opens a socket in the current thread's network namespace.
    pub fn open() -> Result<Self> {
        Socket::open().map(|socket| Self { socket, is_in_transaction: false, is_interrupted: false })
    }

    /// The generation of the ruleset now.
    pub fn generation(&mut self) -> Result<Generation> {
        generation(&mut self.socket).map_err(|failure| failure.into_error("read", "ruleset generation"))
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
    /// `build` reads the ruleset and returns the changes. They are committed if nobody committed since before `build`
    /// ran; otherwise `build` runs again, also if it has found nothing to change. After a few tries other transactions wait
    /// for this one; after 50, against programs that do not wait, the error is the last ERESTART.
    pub fn transaction<E: From<Error>>(
        &mut self,
        mut build: impl FnMut(&mut Self) -> std::result::Result<Batch, E>,
    ) -> std::result::Result<(), E> {
        let (mut tries, mut turn) = (0, None);
        loop {
            if turn.is_none() {
                turn::await_others();
            }
            let generation = self.generation()?;
            self.is_in_transaction = true;
            let outcome = build(self);
            self.is_in_transaction = false;
            let is_interrupted = std::mem::take(&mut self.is_interrupted);
            let done = if is_interrupted { Err(lost()) } else { self.commit_at(generation, outcome?) };
            match done {
                Err(error) if error.is_restart() && tries < TRIES => {
                    tries += 1;
                    if tries == TRIES_WITHOUT_TURN {
                        turn = Turn::take();
                    } else {
                        thread::sleep(pause(tries));
                    }
                }
                result => return Ok(result?),
            }
        }
    }

    /// Commits if nobody has since `generation`. An empty batch says that there was nothing to change then.
    fn commit_at(&mut self, generation: Generation, batch: Batch) -> Result<()> {
        if !batch.is_empty() {
            return self.commit(batch.guarded_by(generation));
        }
        if self.generation()? == generation { Ok(()) } else { Err(lost()) }
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
        // A name that nothing can have, such as one that is too long.
        let Ok(message) = message else { return Ok(false) };
        match self.socket.ask(Message::nftables(table.family, 0, message), |_| {}) {
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
            .steady(|socket| socket.dump_twice(&message, |payload, raws| element::decode(set, payload, raws)))
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
        let ask = |socket: &mut Socket| {
            let mut answers = Vec::new();
            match socket.request(message.clone(), |payload| element::decode(set, payload, &mut answers)) {
                // Of several questions one was answered with no; that is an answer too.
                Ok(()) | Err(Failure { errno: Errno::ENOENT, .. }) => Ok(element::found(set, key, answers)),
                Err(failure) => Err(failure),
            }
        };
        let element = if set.interval { self.steady(ask) } else { ask(&mut self.socket) };
        element.map_err(|failure| failure.into_error(op, object))
    }

    /// An element of a set or map that is `wanted`, if there is one. Not all is read where one comes early, so what this costs
    /// depends on how rare such elements are. `None` also when the set is not there.
    ///
    /// It looks by a socket of its own, in the current thread's network namespace. What it finds was there while it read; for a
    /// [`transaction`](Self::transaction) that is enough.
    pub fn find(&mut self, table: &Table, set: &Set, wanted: impl Fn(&Element) -> bool) -> Result<Option<Element>> {
        // A range may be two elements, of which neither tells the whole.
        if !set.interval
            && let Some(found) = scan(table, set, &wanted)?
        {
            return Ok(Some(found));
        }
        // A dump may miss what is there: see `Socket::dump_twice`.
        match self.elements(table, set) {
            Err(error) if error.is_not_found() => Ok(None),
            listed => Ok(listed?.into_iter().find(wanted)),
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
        self.steady(|socket| socket.dump_twice(&message, decode)).map_err(|failure| failure.into_error(op, object))
    }

    /// Reads until nobody commits meanwhile, so that what is read is of one moment. In a transaction it reads once:
    /// whether anybody did, the end of that asks for all that was read.
    ///
    /// `NLM_F_DUMP_INTR` alone does not tell: the kernel compares generations when it begins a datagram of a dump, and
    /// misses a commit while it fills the last one.
    fn steady<T>(
        &mut self,
        mut read: impl FnMut(&mut Socket) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        if self.is_in_transaction {
            return read(&mut self.socket).inspect_err(|failure| self.is_interrupted |= failure.errno == Errno::EINTR);
        }
        for tries in 1..=TRIES {
            let before = generation(&mut self.socket)?;
            match read(&mut self.socket) {
                Ok(seen) if generation(&mut self.socket)? == before => return Ok(seen),
                Ok(_) | Err(Failure { errno: Errno::EINTR, .. }) => thread::sleep(pause(tries)),
                Err(failure) => return Err(failure),
            }
        }
        let extack = Some("the ruleset kept changing while it was read".to_owned());
        Err(Failure { extack, ..Errno::EINTR.into() })
    }
}

/// The first wanted element that one dump comes upon.
fn scan(table: &Table, set: &Set, wanted: impl Fn(&Element) -> bool) -> Result<Option<Element>> {
    let object = format!("{table} {}", set.name);
    let message = element::message(table, &set.name, None, Vec::new())
        .map_err(|refusal| Error::invalid("search set", object.clone(), refusal))?;
    let message = Message::nftables(table.family, 0, NfTablesMessage::GetSetElement(message));
    let mut found = None;
    // One of its own: there will be answers that nobody wants.
    let scanned = Socket::open()?.scan(message, |payload| {
        let mut raws = Vec::new();
        element::decode(set, payload, &mut raws);
        found = element::join(set, raws).and_then(|elements| elements.into_iter().find(&wanted));
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match scanned {
        Ok(()) => Ok(found),
        Err(Failure { errno: Errno::ENOENT | Errno::EINTR, .. }) => Ok(None),
        Err(failure) => Err(failure.into_error("search set", object)),
    }
}

/// Somebody else was faster.
fn lost() -> Error {
    Error::new("read", "ruleset", Errno::ERESTART)
}

fn generation(socket: &mut Socket) -> std::result::Result<Generation, Failure> {
    let message = NfTablesMessage::GetGen(GenMessage { attributes: Vec::new() });
    let mut generation = None;
    socket.ask(Message::nftables(Family::Inet, 0, message), |payload| generation = Attrs(payload).be32(GEN_ID))?;
    generation.map(Generation).ok_or_else(|| Errno::EBADMSG.into())
}

/// A random pause, longer after more tries, so that those who collide do not collide again.
fn pause(tries: u32) -> Duration {
    let random = RandomState::new().hash_one(tries) % 100;
    PAUSE_MAX.min(Duration::from_micros((random + 1) * u64::from(tries)))
}
