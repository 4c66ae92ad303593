//! Subnets that are chosen: `"subnet": "auto"`.
//!
//! What a network has got stands in one file of the data directory, whose lines are `NETWORK SUBNET`, and counts as long as the network
//! has a directory of leases. No network begins with a dot, so the reference's host-local takes no notice. One lock on it makes networks
//! choose one after the other.

mod choose;
mod host;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use cni::{Code, Error, Result};
use fs2::FileExt;
use ipnetwork::IpNetwork;

use crate::{conf::Ipam, file};
use choose::{Pool, Taken, first_free, overlaps};

/// The value of `subnet` for IPv4, and for IPv6.
const WORDS: [&str; 2] = ["auto", "auto6"];
const FILE: &str = ".subnets";

/// The subnets of a network that are not in its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subnets {
    v4: Option<IpNetwork>,
    v6: Option<IpNetwork>,
}

impl Subnets {
    /// What stands for a value of `subnet`: the chosen subnet for one of [`WORDS`], and otherwise the value.
    pub fn resolve(&self, subnet: Option<String>) -> Option<String> {
        let chosen = match subnet.as_deref() {
            Some("auto") => self.v4,
            Some("auto6") => self.v6,
            _ => None,
        };
        chosen.map(|chosen| chosen.to_string()).or(subnet)
    }

    fn of(&mut self, v4: bool) -> &mut Option<IpNetwork> {
        if v4 { &mut self.v4 } else { &mut self.v6 }
    }

    /// The word of `ipam` that nothing has been chosen for.
    pub fn missing(mut self, ipam: &Ipam) -> Option<&'static str> {
        let v4 = families(ipam).find(|v4| self.of(*v4).is_none())?;
        Some(if v4 { WORDS[0] } else { WORDS[1] })
    }
}

/// The choices of all networks of a data directory, locked while one is to be made.
#[derive(Debug)]
pub struct Choosing {
    dir: PathBuf,
    file: Option<File>,
    entries: Vec<(String, IpNetwork)>,
    network: String,
    made: Vec<IpNetwork>,
}

impl Choosing {
    /// Reads what has been chosen; with `may_write` the directory is made if need be, and locked.
    pub fn begin(data_dir: &Path, network: &str, may_write: bool) -> Result<Self> {
        let path = data_dir.join(FILE);
        let file = if may_write {
            fs::create_dir_all(data_dir).map_err(failed("make", data_dir))?;
            let file = file::open(OpenOptions::new().read(true).append(true).create(true), &path);
            let file = file.map_err(failed("open", &path))?;
            file.lock_exclusive().map_err(failed("lock", &path))?;
            Some(file)
        } else {
            match file::open_to_read(&path) {
                Ok(file) => Some(file),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
                Err(error) => return Err(failed("open", &path)(error)),
            }
        };
        let mut text = String::new();
        if let Some(mut file) = file.as_ref() {
            file.read_to_string(&mut text).map_err(failed("read", &path))?;
        }
        let is_there = |name: &str| name == network || data_dir.join(name).is_dir();
        let entries = text.lines().filter_map(entry).filter(|(name, _)| is_there(name)).collect();
        Ok(Self { dir: data_dir.to_owned(), file, entries, network: network.to_owned(), made: Vec::new() })
    }

    /// The subnets that `ipam` leaves to be chosen: those that the network has, or new ones.
    ///
    /// # Errors
    /// Code 102 if the pools have none left, code 7 for bad pools.
    pub fn subnets(&mut self, ipam: &Ipam) -> Result<Subnets> {
        let mut subnets = self.chosen();
        let missing: Vec<bool> = families(ipam).filter(|v4| subnets.of(*v4).is_none()).collect();
        if missing.is_empty() {
            return Ok(subnets);
        }
        let pools = Pool::all(&ipam.pools, &host::id())?;
        let taken = self.taken();
        for v4 in missing {
            let chosen = first_free(&pools, v4, &taken)?;
            *subnets.of(v4) = Some(chosen);
            self.made.push(chosen);
        }
        Ok(subnets)
    }

    /// What the network has got; of several lines the first counts.
    pub fn chosen(&self) -> Subnets {
        let mut subnets = Subnets::default();
        for (_, subnet) in self.entries.iter().filter(|(name, _)| *name == self.network) {
            subnets.of(subnet.is_ipv4()).get_or_insert(*subnet);
        }
        subnets
    }

    /// Whether there are choices that are not written down yet.
    pub fn is_new(&self) -> bool {
        !self.made.is_empty()
    }

    /// Refuses what overlaps a subnet that another network has got.
    pub fn refuse_overlapping(&self, own: impl IntoIterator<Item = IpNetwork>) -> Result<()> {
        for subnet in own {
            let others = self.entries.iter().filter(|(name, _)| *name != self.network);
            if let Some((other, taken)) = others.into_iter().find(|(_, other)| overlaps(&subnet, other)) {
                return Err(Error::invalid(format!(
                    "subnet {subnet} of network \"{}\" overlaps {taken}, which network \"{other}\" has got by \"auto\"",
                    self.network
                )));
            }
        }
        Ok(())
    }

    /// Writes new choices down: from here on the network has them.
    pub fn commit(self) -> Result<()> {
        let lines: Vec<String> = self.made.iter().map(|subnet| format!("{} {subnet}\n", self.network)).collect();
        let lines = lines.concat();
        let Some(mut file) = self.file.filter(|_| !lines.is_empty()) else { return Ok(()) };
        let path = self.dir.join(FILE);
        // A line that a crash has cut ends here.
        let ends_well = fs::read(&path).map_err(failed("read", &path))?.last().is_none_or(|last| *last == b'\n');
        let lines = if ends_well { lines } else { format!("\n{lines}") };
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(failed("write", &path))?;
        // While it is locked: without its directory the choice would be free for others.
        fs::create_dir_all(self.dir.join(&self.network)).map_err(failed("make", &self.dir.join(&self.network)))
    }

    /// What the host and other networks have, these ones as far as their leases tell.
    fn taken(&self) -> Taken {
        let mut taken = host::taken();
        taken.by_others.extend(self.entries.iter().map(|(_, subnet)| *subnet));
        let networks = fs::read_dir(&self.dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        for dir in networks.filter(|dir| !dir.ends_with(&self.network)) {
            let files =
                fs::read_dir(&dir).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            for name in files {
                let last = name
                    .starts_with("last_reserved_ip.")
                    .then(|| fs::read_to_string(dir.join(&name)).unwrap_or_default());
                let address = cni::parse_ip(last.as_deref().unwrap_or(&name).trim());
                taken.by_others.extend(address.map(IpNetwork::from));
            }
        }
        taken
    }
}

/// The families that `ipam` leaves a subnet of to be chosen: whether each is IPv4.
fn families(ipam: &Ipam) -> impl Iterator<Item = bool> {
    let of = |word: &'static str| {
        let in_ranges = ipam.ranges.iter().flatten().any(|range| range.subnet.as_deref() == Some(word));
        in_ranges || ipam.subnet.as_deref() == Some(word)
    };
    let [v4, v6] = WORDS.map(of);
    v4.then_some(true).into_iter().chain(v6.then_some(false))
}

fn entry(line: &str) -> Option<(String, IpNetwork)> {
    let (network, subnet) = line.split_once(' ')?;
    Some((network.to_owned(), cni::parse_cidr(subnet)?))
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    move |error| Error::new(Code::Io, format!("{what} {}: {error}", path.display()))
}
