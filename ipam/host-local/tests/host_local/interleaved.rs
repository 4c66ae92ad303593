//! Random interleavings of our calls, the reference's, `kill -9`, an operator's hand and damage to the index, against a
//! model that has no index: never a duplicate address, never a lost lease.
//!
//! `PROPTEST_CASES=1000 cargo test -p host-local interleaved` looks longer; a failure names its seed, and
//! `PROPTEST_RNG_SEED` repeats it.

mod model;
mod world;

use std::{
    env,
    hash::{BuildHasher, RandomState},
    path::Path,
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngSeed, TestError, TestRunner},
};

use self::world::World;

/// How many calls one history has, and how many histories of each kind there are: together more than 10,000 calls.
const STEPS: usize = 250;
const CASES: u32 = 14;

/// What happens to the leases of a network.
#[derive(Debug, Clone)]
pub enum Step {
    Call(Whose, Command, Container),
    /// A call that is killed after so many microseconds.
    Killed(Whose, Command, Container, u64),
    /// GC that leaves the containers below this number.
    Gc(u8),
    /// A lease goes by hand, comes by hand, gets another address, or comes without content.
    Remove(Index),
    Write(Index, Container),
    Rename(Index, Index),
    Empty(Index),
    /// The network's directory goes.
    RemoveAll,
    /// Copies that keep all times, made and put over what is there; and of the index alone.
    Backup,
    Restore,
    KeepIndex,
    Damage(Damage),
}

/// What happens to the index.
#[derive(Debug, Clone)]
pub enum Damage {
    Remove,
    Truncate(Index),
    Bytes(Vec<(Index, u8)>),
    Zeros(Index),
    Older,
    OfAnotherNetwork,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Ours,
    Reference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Add,
    Del,
    Check,
}

/// A container by its number.
pub type Container = u8;

#[test]
fn ipv4_and_an_index_of_one_page() {
    judge("10.1.2.1", "10.1.2.0/27", "", 0, None);
}

#[test]
fn ipv6_between_other_leases_and_an_index_of_many_pages() {
    judge("fd00::1", "fd00::/64", "fd00::28", 150, None);
}

#[test]
fn file_system_in_memory() {
    let shm = Path::new("/dev/shm");
    judge("10.1.2.1", "10.1.2.0/26", "", 0, shm.is_dir().then_some(shm));
}

/// Judges histories of a network: its gateway, subnet, and last address, with so many leases that are out of its range.
fn judge(gateway: &str, subnet: &str, end: &str, crowd: usize, dir: Option<&Path>) {
    let Some(reference) = crate::reference::reference() else { return };
    let asked = Config::default();
    let seed = match asked.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(subnet),
    };
    let cases = if env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { CASES };
    let (shrinks, time) = (200, 60_000);
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..asked };
    let config = Config { max_shrink_iters: shrinks, max_shrink_time: time, ..config };
    let outcome = TestRunner::new(config).run(&vec(step(), STEPS), |steps| {
        let mut world = World::new(&reference, dir, gateway, subnet, end);
        world.fill(crowd);
        for (n, step) in steps.iter().enumerate() {
            world.go(step).map_err(|wrong| TestCaseError::fail(format!("step {n}, {step:?}: {wrong}")))?;
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("gave up: {reason}"),
        Err(TestError::Fail(reason, steps)) => {
            panic!("PROPTEST_RNG_SEED={seed} leads here again: {reason}\n{steps:#?}")
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let whose = prop_oneof![3 => Just(Whose::Ours), 1 => Just(Whose::Reference)];
    let command = select(&[Command::Add, Command::Add, Command::Add, Command::Del, Command::Del, Command::Check][..]);
    let container = 0u8..50;
    let index = any::<Index>;
    prop_oneof![
        40 => (whose.clone(), command.clone(), container.clone()).prop_map(|(w, c, n)| Step::Call(w, c, n)),
        5 => (whose, command, container.clone(), 0u64..4000).prop_map(|(w, c, n, after)| Step::Killed(w, c, n, after)),
        1 => (30u8..50).prop_map(Step::Gc),
        2 => index().prop_map(Step::Remove),
        1 => (index(), container).prop_map(|(at, n)| Step::Write(at, n)),
        1 => (index(), index()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => index().prop_map(Step::Empty),
        1 => prop_oneof![Just(Step::Backup), Just(Step::Restore), Just(Step::RemoveAll)],
        1 => Just(Step::KeepIndex),
        4 => damage().prop_map(Step::Damage),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    prop_oneof![
        Just(Damage::Remove),
        index().prop_map(Damage::Truncate),
        vec((index(), any::<u8>()), 1..20).prop_map(Damage::Bytes),
        index().prop_map(Damage::Zeros),
        Just(Damage::Older),
        Just(Damage::OfAnotherNetwork),
    ]
}
