//! What is remembered of an attachment, on disk: all that it takes to go on with its leases.

use std::{fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{interface::Identity, key::Key, lease::Lease, plan::Wanted};

/// The number of this layout.
const LAYOUT: u32 = 1;
/// Another one after each boot (random(4)).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// An attachment with its leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    layout: u32,
    boot: String,
    /// The attachment.
    pub key: Key,
    /// `CNI_NETNS` of its ADD.
    pub netns: PathBuf,
    /// Its interface.
    pub interface: Identity,
    /// What it asked for.
    pub wanted: Wanted,
    /// What it has by DHCPv4.
    pub v4: Option<Binding>,
    /// What it has by DHCPv6.
    pub v6: Option<Binding>,
}

/// A lease of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The lease.
    pub lease: Lease,
    /// Whether it is over, and its addresses have been taken from the interface.
    pub withdrawn: bool,
}

/// The families, each with servers and a lease of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Record {
    /// Of an attachment without leases.
    pub fn new(key: Key, netns: PathBuf, interface: Identity, wanted: Wanted) -> Self {
        Self { layout: LAYOUT, boot: boot(), key, netns, interface, wanted, v4: None, v6: None }
    }

    /// Whether it can be used: it is of this layout, and of this boot, because times count from there.
    pub fn is_current(&self) -> bool {
        self.layout == LAYOUT && self.boot == boot()
    }

    /// The lease of a family.
    pub fn binding(&self, family: Family) -> Option<&Binding> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    /// The place of a family's lease.
    pub fn binding_mut(&mut self, family: Family) -> &mut Option<Binding> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// The leases whose addresses are in use, IPv4 first.
    pub fn in_use(&self) -> Vec<&Lease> {
        let all = [&self.v4, &self.v6].into_iter().flatten();
        all.filter(|binding| !binding.withdrawn).map(|binding| &binding.lease).collect()
    }

    /// The families that have a lease.
    pub fn families(&self) -> Vec<Family> {
        [Family::V4, Family::V6].into_iter().filter(|family| self.binding(*family).is_some()).collect()
    }

    /// Whether every family has one whose addresses are in use.
    pub fn is_whole(&self) -> bool {
        self.in_use().len() == usize::from(self.wanted.v4.is_some()) + usize::from(self.wanted.v6.is_some())
    }
}

fn boot() -> String {
    fs::read_to_string(BOOT).unwrap_or_default().trim().to_owned()
}
