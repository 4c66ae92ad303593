//! Publishing ports by iptables, and taking them back: thin code around the data of [`chains`].

use std::collections::BTreeSet;

use attach::{may_have_chain, verify::failed, xtables};
use cni::{Attachment, Error, Result};
use iptables::{Batch, Iptables, Saved};
use nft::Nfproto;

use crate::{
    backend::Mark,
    chains::{self, Chains, HOSTPORTS, NAT, Publication, program},
    host,
    plan::{Addresses, Plan, Published},
    rules::Led,
};

/// The ports of one attachment.
#[derive(Debug, Clone, Copy)]
pub struct Publisher<'a> {
    pub chains: &'a Chains,
    pub plan: &'a Plan,
    pub mark: &'a Mark,
    pub ports: &'a [Published],
    pub addresses: &'a Addresses,
}

impl Publisher<'_> {
    /// The tables as they are, in which nothing stands in the way: in no family, before the first one is changed.
    ///
    /// # Errors
    /// Code 101 if another container has one of the ports. Code 7 if `externalSetMarkChain` is not there.
    pub fn read(&self) -> Result<Vec<Saved>> {
        self.each_family(|program, publication| {
            let nat = program.glance(NAT).map_err(xtables)?;
            self.chains.publish(&nat, &publication)?;
            Ok(nat)
        })
    }

    /// Publishes the ports in these tables: one `iptables-restore` per family of addresses.
    ///
    /// # Errors
    /// As [`Self::read`], if somebody else changed a table meanwhile.
    pub fn publish(&self, tables: Vec<Saved>) -> Result<()> {
        let mut tables = tables.into_iter();
        self.each_family(|program, publication| {
            let nat = tables.next().unwrap_or_default();
            let planned = program.try_change(NAT, nat, |nat| self.chains.publish(nat, &publication).map_err(Failure));
            planned.map_err(|Failure(error)| error)
        })
        .map(drop)
    }

    /// Fails unless every port is published as the configuration has it.
    pub fn check(&self) -> Result<()> {
        self.each_family(|program, publication| {
            let done = program.restore(&self.chains.required(&publication));
            done.map_err(|error| failed(format!("check published ports: {error}")).details(error.details))
        })
        .map(drop)
    }

    fn each_family<T>(&self, mut task: impl FnMut(Iptables, Publication<'_>) -> Result<T>) -> Result<Vec<T>> {
        let mut done = Vec::new();
        for family in [Nfproto::IPV4, Nfproto::IPV6] {
            let of_family = |port: &&Published| port.from.family == family;
            let ports: Vec<Published> = self.ports.iter().filter(of_family).copied().collect();
            let Some(container) = self.addresses.of_family(family).filter(|_| !ports.is_empty()) else { continue };
            let publication = Publication {
                ports: &ports,
                container,
                snat: self.plan.snat,
                mark: self.mark,
                conditions: self.plan.words(family),
            };
            done.push(task(program(family), publication)?);
        }
        Ok(done)
    }
}

/// Takes back what iptables has for the container, whoever made it.
pub fn release(chains: &Chains) -> Result<()> {
    let each = Iptables::ALL.map(|program| {
        if !may_have_chain(program, NAT, &chains.names())? {
            return Ok(());
        }
        take_back(program, |nat| (chains.leaving(nat), chains.led(nat)))
    });
    Error::collect(each)
}

/// The same of all containers of `network` of which no attachment is in `keep`.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let kept: BTreeSet<String> = keep.iter().map(|attachment| attachment.container_id.clone()).collect();
    let each = Iptables::ALL.map(|program| {
        if !may_have_chain(program, NAT, &[HOSTPORTS])? {
            return Ok(());
        }
        take_back(program, |nat| chains::leaving_garbage(nat, network, &kept))
    });
    Error::collect(each)
}

/// Removes what `plan` finds in the table, with what is beside it: where it led is told by the rules alone, so they go last but for
/// the connections, of which a repeated DEL knows by its ports.
fn take_back(program: Iptables, plan: impl Fn(&Saved) -> (Batch, Vec<Led>)) -> Result<()> {
    let (mut led, mut localhost) = (Vec::new(), Ok(()));
    let removed = program.change(NAT, |nat| {
        let (batch, leaving) = plan(nat);
        localhost = host::close_localhost_to(&leaving);
        led = leaving;
        if localhost.is_ok() { batch } else { Batch::new(NAT) }
    });
    match removed {
        // Nobody could have added anything that the programs show.
        Err(error) if error.is_missing => Ok(()),
        removed => Error::collect([localhost, removed.map_err(xtables), host::forget(&led)]),
    }
}

/// An error while the table is changed: a program's, or our refusal.
struct Failure(Error);

impl From<iptables::Error> for Failure {
    fn from(error: iptables::Error) -> Self {
        Self(xtables(error))
    }
}
