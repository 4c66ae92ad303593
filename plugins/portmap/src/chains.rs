//! Published ports as chains of iptables: names, comments, rules and their order are the reference plugin's. Nothing here
//! starts a program.
//!
//! Packets to the host come through `CNI-HOSTPORT-DNAT`, which sends them to the chain of the container that has their port. That
//! marks what would not find its way back, for `CNI-HOSTPORT-MASQ` to masquerade, and changes the destination.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use attach::reference_chain;
use cni::{Code, Error, Result};
use ipnetwork::IpNetwork;
use iptables::{Batch, Iptables, Rule, Saved};
use nft::{Nfproto, Proto};

use crate::{
    backend::Mark,
    plan::{Published, Snat},
    rules::Led,
};

/// The table that all of it is in.
pub const NAT: &str = "nat";
/// Leads from the host's addresses to the chains of containers.
pub const HOSTPORTS: &str = "CNI-HOSTPORT-DNAT";
/// What leads there: packets from elsewhere, and the host's own.
const LEADING: [&str; 2] = ["PREROUTING", "OUTPUT"];
/// Led to the chains of containers, for packets on their way back, in releases before 0.7.
const OLD_SOURCES: &str = "CNI-HOSTPORT-SNAT";
const SET_MARK: &str = "CNI-HOSTPORT-SETMARK";
const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";

/// The most that a multiport match takes (`XT_MULTI_PORTS`, `linux/netfilter/xt_multiport.h`).
const PORTS_A_RULE: usize = 15;

/// The chains of a container on a network.
#[derive(Debug, Clone)]
pub struct Chains {
    /// `CNI-DN-` and 21 digits.
    pub name: String,
    old: String,
    comment: String,
    /// How comments of the container end, on whatever network.
    container: String,
}

/// What is to be published in one family of addresses.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    pub ports: &'a [Published],
    /// The container's address and its network's prefix.
    pub container: IpNetwork,
    pub snat: Snat,
    pub mark: &'a Mark,
    /// What packets have to meet beyond their destination, in the words of iptables.
    pub conditions: &'a [String],
}

impl Chains {
    /// Those of a container; both of its interfaces on one network have the same.
    pub fn new(network: &str, container_id: &str) -> Self {
        Self {
            name: reference_chain("CNI-DN-", network, container_id),
            old: reference_chain("CNI-SN-", network, container_id),
            comment: comment(network, container_id),
            container: format!(" id: \"{container_id}\""),
        }
    }

    /// What publishes the ports: the shared chains as far as they are missing, and the container's anew.
    ///
    /// # Errors
    /// Code 101 if another container has one of the ports. Code 7 if `externalSetMarkChain` is not there.
    pub fn publish(&self, nat: &Saved, publication: &Publication<'_>) -> Result<Batch> {
        let mut batch = Batch::new(NAT);
        ensure_hostports(nat, &mut batch);
        if publication.snat != Snat::Nobody {
            ensure_mark(nat, publication.mark, &mut batch)?;
        }
        for stale in self.in_the_way(nat, publication)? {
            remove(nat, &mut batch, HOSTPORTS, stale);
        }
        for jump in nat.jumps(HOSTPORTS, &self.name) {
            batch.delete(HOSTPORTS, jump);
        }
        batch.renew_chain(&self.name);
        for rule in publication.rules() {
            batch.append(&self.name, &rule);
        }
        for jump in self.wanted_jumps(publication) {
            batch.append(HOSTPORTS, &jump);
        }
        Ok(batch)
    }

    /// Fails, when it is applied, unless all of it is there.
    pub fn required(&self, publication: &Publication<'_>) -> Batch {
        let mut batch = Batch::new(NAT);
        for base in LEADING {
            batch.require(base, &to_hostports());
        }
        for rule in publication.rules() {
            batch.require(&self.name, &rule);
        }
        for jump in self.wanted_jumps(publication) {
            batch.require(HOSTPORTS, &jump);
        }
        batch
    }

    /// What removes the container's chains, of old releases too.
    pub fn leaving(&self, nat: &Saved) -> Batch {
        let mut batch = Batch::new(NAT);
        remove(nat, &mut batch, HOSTPORTS, &self.name);
        remove(nat, &mut batch, OLD_SOURCES, &self.old);
        batch
    }

    /// Where the container's chain leads.
    pub fn led(&self, nat: &Saved) -> Vec<Led> {
        nat.rules(&self.name).filter_map(led).collect()
    }

    /// Names of chains of which one is there when something is.
    pub fn names(&self) -> [&str; 2] {
        [&self.name, &self.old]
    }

    /// One per protocol and 15 ports of the host.
    fn wanted_jumps(&self, publication: &Publication<'_>) -> Vec<Rule> {
        let mut ports: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
        for port in publication.ports {
            ports.entry(name(port.from.protocol)).or_default().insert(port.from.port);
        }
        let jump = |protocol: &str, ports: &[u16]| {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            let rule = Rule::new(["-m", "comment", "--comment", &self.comment, "-m", "multiport", "-p", protocol]);
            rule.and(["--destination-ports", &ports.join(",")]).and(publication.conditions).and(["-j", &self.name])
        };
        let of_protocol = |(protocol, ports): (&str, BTreeSet<u16>)| {
            let ports: Vec<u16> = ports.into_iter().collect();
            ports.chunks(PORTS_A_RULE).map(|ports| jump(protocol, ports)).collect::<Vec<_>>()
        };
        ports.into_iter().flat_map(of_protocol).collect()
    }

    /// Chains of others that have one of the ports and lead to the address that is the container's now: what somebody left who
    /// had the address before.
    fn in_the_way<'a>(&self, nat: &'a Saved, publication: &Publication<'_>) -> Result<BTreeSet<&'a str>> {
        let mut stale = BTreeSet::new();
        for jump in nat.rules(HOSTPORTS) {
            let Some(chain) = jump.target().filter(|chain| *chain != self.name) else { continue };
            let Some(taken) = publication.taken_by(nat, chain) else { continue };
            // Runtimes tell each network of a container all of its ports: the first one's rule goes before ours.
            if jump.text().is_some_and(|text| text.ends_with(&self.container)) {
                continue;
            }
            if led(taken).is_none_or(|led| led.to != publication.container.ip()) {
                return Err(refuse(taken, jump));
            }
            stale.insert(chain);
        }
        Ok(stale)
    }
}

impl Publication<'_> {
    /// The rules of the container's chain.
    fn rules(&self) -> Vec<Rule> {
        self.ports.iter().flat_map(|port| self.rules_of(port)).collect()
    }

    fn rules_of(&self, port: &Published) -> Vec<Rule> {
        let number = port.from.port.to_string();
        let mut matching = Rule::new(["-p", name(port.from.protocol), "--dport", &number]);
        if let Some(at) = port.from.at {
            matching = matching.and(["-d", &at.to_string()]);
        }
        let mark = match self.mark {
            Mark::Bit(_) => SET_MARK,
            Mark::Chain(chain) => chain,
        };
        let marked = |source: &str| matching.clone().and(["-s", source, "-j", mark]);
        let anywhere = if port.to.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        let mut rules = match self.snat {
            Snat::Nobody => Vec::new(),
            Snat::Everybody => vec![marked(anywhere)],
            Snat::Locals if port.to.is_ipv4() => vec![marked(&self.container.to_string()), marked("127.0.0.1")],
            Snat::Locals => vec![marked(&self.container.to_string())],
        };
        rules.push(matching.and(["-j", "DNAT", "--to-destination", &port.to.to_string()]));
        rules
    }

    /// The rule of that chain by which it has one of the ports.
    fn taken_by<'a>(&self, nat: &'a Saved, chain: &'a str) -> Option<&'a Rule> {
        nat.rules(chain).filter(|rule| rule.target() == Some("DNAT")).find(|rule| {
            let at: Option<IpNetwork> = rule.value("-d").and_then(|at| at.parse().ok());
            self.ports.iter().any(|port| {
                rule.value("-p") == Some(name(port.from.protocol))
                    && rule.value("--dport") == Some(&port.from.port.to_string())
                    && at.map(|at| at.ip()) == port.from.at
            })
        })
    }
}

/// What removes the chains of all containers of `network` that are not in `keep`.
pub fn leaving_garbage(nat: &Saved, network: &str, keep: &BTreeSet<String>) -> (Batch, Vec<Led>) {
    let kept: BTreeSet<String> = keep.iter().map(|container_id| comment(network, container_id)).collect();
    let of_network = comment_stem(network);
    let is_garbage =
        |rule: &&Rule| rule.text().is_some_and(|text| text.starts_with(&of_network) && !kept.contains(text));
    let (mut batch, mut led_to) = (Batch::new(NAT), Vec::new());
    for from in [HOSTPORTS, OLD_SOURCES] {
        let chains: BTreeSet<&str> = nat.rules(from).filter(is_garbage).filter_map(Rule::target).collect();
        for chain in chains {
            led_to.extend(nat.rules(chain).filter_map(led));
            remove(nat, &mut batch, from, chain);
        }
    }
    (batch, led_to)
}

fn remove(nat: &Saved, batch: &mut Batch, from: &str, chain: &str) {
    for jump in nat.jumps(from, chain) {
        batch.delete(from, jump);
    }
    if nat.has_chain(chain) {
        batch.delete_chain(chain);
    }
}

fn ensure_hostports(nat: &Saved, batch: &mut Batch) {
    if !nat.has_chain(HOSTPORTS) {
        batch.create_chain(HOSTPORTS);
    }
    for base in LEADING {
        if !has_any(&nat.jumps(base, HOSTPORTS).collect::<Vec<_>>(), base, batch) {
            batch.append(base, &to_hostports());
        }
    }
    // Who has the ports, it says.
    let is_silent = |chain: &str| nat.rules(chain).next().is_none();
    if is_silent(HOSTPORTS) || nat.rules(HOSTPORTS).filter_map(Rule::target).any(is_silent) {
        batch.doubt();
    }
}

/// Whether these rules of a chain are any. What is there twice goes: two who make a rule for all containers at the same moment both
/// succeed, for `iptables-nft-restore` takes `-N` of a chain that has come meanwhile as done. Who sees none looks again.
fn has_any(rules: &[&Rule], chain: &str, batch: &mut Batch) -> bool {
    batch.delete_duplicates(chain, rules.iter().copied());
    if rules.is_empty() {
        batch.doubt();
    }
    !rules.is_empty()
}

fn to_hostports() -> Rule {
    Rule::new(["-m", "addrtype", "--dst-type", "LOCAL", "-j", HOSTPORTS])
}

fn ensure_mark(nat: &Saved, mark: &Mark, batch: &mut Batch) -> Result<()> {
    let bit = match mark {
        Mark::Bit(bit) => format!("{0:#x}/{0:#x}", 1_u32 << bit),
        Mark::Chain(chain) if nat.has_chain(chain) => return Ok(()),
        Mark::Chain(chain) => {
            return Err(Error::invalid(format!(
                "\"externalSetMarkChain\" \"{chain}\": table nat has no such chain; whoever marks has to make it first"
            )));
        }
    };
    for chain in [SET_MARK, MASQUERADE].iter().filter(|chain| !nat.has_chain(chain)) {
        batch.create_chain(chain);
    }
    let of_bit = |chain: &str, option: &str| -> Vec<&Rule> {
        nat.rules(chain).filter(|rule| rule.value(option) == Some(&bit)).collect()
    };
    if !has_any(&of_bit(SET_MARK, "--set-xmark"), SET_MARK, batch) {
        let set = Rule::new(["-m", "comment", "--comment", "CNI portfwd masquerade mark", "-j", "MARK"]);
        batch.append(SET_MARK, &set.and(["--set-xmark", &bit]));
    }
    if !has_any(&of_bit(MASQUERADE, "--mark"), MASQUERADE, batch) {
        batch.append(MASQUERADE, &Rule::new(["-m", "mark", "--mark", &bit, "-j", "MASQUERADE"]));
    }
    if !has_any(&nat.jumps("POSTROUTING", MASQUERADE).collect::<Vec<_>>(), "POSTROUTING", batch) {
        let to = Rule::new(["-m", "comment", "--comment", "CNI portfwd requiring masquerade", "-j", MASQUERADE]);
        batch.insert("POSTROUTING", &to);
    }
    Ok(())
}

fn refuse(taken: &Rule, jump: &Rule) -> Error {
    let [port, protocol] = ["--dport", "-p"].map(|option| taken.value(option).unwrap_or_default());
    let owner = jump.text().map_or("somebody", |text| text.trim_start_matches("dnat "));
    Error::new(Code::InUse, format!("publish host port {port}/{protocol}: it is published already for {owner}"))
        .details(format!("rule {taken}"))
}

/// Where a rule leads packets to.
fn led(rule: &Rule) -> Option<Led> {
    let to: SocketAddr = rule.value("--to-destination")?.parse().ok()?;
    let protocol =
        [Proto::TCP, Proto::UDP, Proto::SCTP].into_iter().find(|known| rule.value("-p") == Some(name(*known)))?;
    let port = rule.value("--dport")?.parse().ok()?;
    Some(Led { protocol, port, last: port, to: to.ip() })
}

fn name(protocol: Proto) -> &'static str {
    match protocol {
        Proto::UDP => "udp",
        Proto::SCTP => "sctp",
        _ => "tcp",
    }
}

/// The programs for a family of addresses.
pub fn program(family: Nfproto) -> Iptables {
    if family == Nfproto::IPV4 { Iptables::V4 } else { Iptables::V6 }
}

/// As the reference writes it; longer ones are cut, since the kernel takes up to 255 bytes.
fn comment(network: &str, container_id: &str) -> String {
    let mut comment = format!("{}\"{container_id}\"", comment_stem(network));
    if comment.len() > 255 {
        comment.truncate(comment.floor_char_boundary(252));
        comment.push_str("...");
    }
    comment
}

fn comment_stem(network: &str) -> String {
    format!("dnat name: \"{network}\" id: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::HostPort;

    fn rules(snat: Snat, to: &str, container: &str) -> Vec<String> {
        let to: SocketAddr = to.parse().unwrap();
        let from = HostPort { family: Nfproto::of(to.ip()), at: None, protocol: Proto::TCP, port: 8080, last: 8080 };
        let publication = Publication {
            ports: &[Published { from, to }],
            container: container.parse().unwrap(),
            snat,
            mark: &Mark::default(),
            conditions: &[],
        };
        publication.rules().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everybodys_packets_are_marked_with_masq_all() {
        // As the releases from 1.2 on do it; the one that tests compare with is older.
        let v4 = rules(Snat::Everybody, "10.1.0.2:80", "10.1.0.2/24");
        let v6 = rules(Snat::Everybody, "[fd00::2]:80", "fd00::2/64");
        assert_eq!(v4[0], "-p tcp --dport 8080 -s 0.0.0.0/0 -j CNI-HOSTPORT-SETMARK");
        assert_eq!(v6[0], "-p tcp --dport 8080 -s ::/0 -j CNI-HOSTPORT-SETMARK");
        assert_eq!(v6[1], "-p tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80");
        assert_eq!((v4.len(), v6.len()), (2, 2));
    }

    #[test]
    fn comment_is_the_references_and_fits() {
        assert_eq!(comment("n", "c"), "dnat name: \"n\" id: \"c\"");
        let long = comment("n", &"c".repeat(300));
        assert!(long.len() == 255 && long.ends_with("ccc..."), "{long}");
    }
}
