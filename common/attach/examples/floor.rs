//! What the kernel alone takes for an attachment: nothing but the netlink calls, in one process, on open sockets.
//!
//! ```text
//! floor NETNS...   attaches each namespace to a bridge of this host, then detaches each; prints a line for either
//! floor            does nothing: what it takes to start a process
//! ```
//!
//! A line is `ADD` or `DEL`, then pairs of a step and its milliseconds; the first pair is the `sum` of the others.
//! It makes a bridge and a table and leaves them: for a host that ends with who has started it (`scripts/bench`).
//! No address is handed out, nothing is looked up but the link's number, and nothing is waited for.
#![allow(clippy::print_stdout, reason = "a measuring program")]

use std::{
    env,
    error::Error,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use attach::{TABLE, masquerade};
use ipnetwork::{IpNetwork, Ipv4Network};
use net::{Address, BridgeSpec, Link, LinkChange, LinkIndex, Mac, Netns, Route, Rtnl, VethEnd, VethSpec, here};
use nft::{Batch, Element, Family, Key, KeyType, Nft, Proto, Set, Table};

const BRIDGE: &str = "floor0";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
const PREFIX: u8 = 16;
/// The first published port.
const PORT: u16 = 20_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let paths: Vec<String> = env::args().skip(1).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let mut host = Host::prepare()?;
    let opened = paths.iter().zip(0..).map(|(path, number)| Container::open(Path::new(path), number));
    let mut containers = opened.collect::<Result<Vec<_>>>()?;
    for container in &mut containers {
        host.attach(container)?.print("ADD");
    }
    for container in &containers {
        host.detach(container)?.print("DEL");
    }
    Ok(())
}

/// The host as the plugins leave it after the first container: a bridge with an address, masquerading, maps for ports.
struct Host {
    rtnl: Rtnl,
    nft: Nft,
    bridge: LinkIndex,
    ports: Ports,
}

impl Host {
    fn prepare() -> Result<Self> {
        let (mut rtnl, mut nft) = (Rtnl::open(&here())?, Nft::open()?);
        rtnl.add_bridge(&BridgeSpec { name: BRIDGE.into(), mac: Mac::random(), mtu: None, vlan_filtering: false })?;
        let bridge = existing(&mut rtnl, BRIDGE)?;
        rtnl.add_address(&bridge, &Address::new(network(GATEWAY)?))?;
        rtnl.set_link(&bridge, &LinkChange { up: Some(true), ..LinkChange::default() })?;
        masquerade::ensure(&mut nft, &[network(GATEWAY)?], BRIDGE)?;
        let ports = Ports::make(&mut nft)?;
        Ok(Self { rtnl, nft, bridge: bridge.index, ports })
    }

    fn attach(&mut self, container: &mut Container) -> Result<Steps> {
        let mut steps = Steps::default();
        let mac = Mac::random;
        let spec = VethSpec {
            near: VethEnd { name: container.port.clone(), mac: mac() },
            far: VethEnd { name: "eth0".into(), mac: mac() },
            mtu: None,
            master: Some(self.bridge),
            netns: Some(&container.netns),
        };
        steps.time("link", || Ok(self.rtnl.add_veth(&spec)?))?;
        let eth0 = steps.time("find", || existing(&mut container.rtnl, "eth0"))?;
        let rtnl = &mut container.rtnl;
        let address = Address::new(network(container.address)?);
        steps.time("address", || Ok(rtnl.add_address(&eth0, &address)?))?;
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        steps.time("up", || Ok(rtnl.set_link(&eth0, &up)?))?;
        let route = Route::new("0.0.0.0/0".parse()?, Some(GATEWAY.into()), eth0.index);
        steps.time("route", || Ok(rtnl.add_route(&route)?))?;
        let mut batch = Batch::new();
        for (set, element) in self.ports.elements(container) {
            batch.add_elements(&self.ports.table, set, [element]);
        }
        steps.time("elements", || Ok(self.nft.commit(batch)?))?;
        Ok(steps)
    }

    fn detach(&mut self, container: &Container) -> Result<Steps> {
        let mut steps = Steps::default();
        let mut batch = Batch::new();
        for (set, element) in self.ports.elements(container) {
            batch.delete_elements(&self.ports.table, set, [element]);
        }
        steps.time("elements", || Ok(self.nft.commit(batch)?))?;
        let port = existing(&mut self.rtnl, &container.port)?;
        steps.time("link", || Ok(self.rtnl.del_link(port.index)?))?;
        Ok(steps)
    }
}

/// A namespace with an open socket.
struct Container {
    netns: Netns,
    rtnl: Rtnl,
    /// The host's end of its pair.
    port: String,
    address: Ipv4Addr,
    number: u16,
}

impl Container {
    fn open(path: &Path, number: u16) -> Result<Self> {
        let netns = Netns::open(path)?;
        let rtnl = netns.rtnl()?;
        let address = Ipv4Addr::from_bits(GATEWAY.to_bits() + 1 + u32::from(number));
        Ok(Self { netns, rtnl, port: format!("floor.{number}"), address, number })
    }
}

/// Where published ports are: as portmap's, an owner, a map from ports to containers, and a set of their connections.
struct Ports {
    table: Table,
    owners: Set,
    published: Set,
    connections: Set,
}

impl Ports {
    fn make(nft: &mut Nft) -> Result<Self> {
        let (address, protocol, port) = (KeyType::Ipv4Addr, KeyType::InetProto, KeyType::InetService);
        let made = Self {
            table: Table::new(Family::Inet, TABLE),
            owners: Set::new("floor_owners", [KeyType::Mark; 4]),
            published: Set::map("floor_ports", [protocol, port], [address, port]),
            connections: Set::new("floor_connections", [address, protocol, port]),
        };
        let mut batch = Batch::new();
        for set in [&made.owners, &made.published, &made.connections] {
            batch.add_set(&made.table, set);
        }
        nft.commit(batch)?;
        Ok(made)
    }

    fn elements(&self, container: &Container) -> [(&Set, Element); 3] {
        let (number, port) = (u32::from(container.number), PORT + container.number);
        let owner = [number; 4].into_iter().fold(Key::new(), Key::mark);
        let published = Element::new(Key::new().proto(Proto::TCP).port(port));
        let to = Key::new().ipv4(container.address).port(80);
        let connections = Key::new().ipv4(container.address).proto(Proto::TCP).port(port);
        let tag = |element: Element| element.comment(format!("{:0128}", container.number));
        [
            (&self.owners, tag(Element::new(owner))),
            (&self.published, tag(published.to(to))),
            (&self.connections, tag(Element::new(connections))),
        ]
    }
}

/// What each step took.
#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn time<T>(&mut self, step: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let done = work();
        self.0.push((step, start.elapsed()));
        done
    }

    fn print(&self, call: &str) {
        let sum = ("sum", self.0.iter().map(|(_, took)| *took).sum());
        let pairs = [sum].into_iter().chain(self.0.iter().copied());
        let words: Vec<String> =
            pairs.map(|(step, took): (_, Duration)| format!("{step} {:.4}", took.as_secs_f64() * 1e3)).collect();
        println!("{call} {}", words.join(" "));
    }
}

fn existing(rtnl: &mut Rtnl, name: &str) -> Result<Link> {
    rtnl.link(name)?.ok_or_else(|| format!("no link {name}").into())
}

fn network(address: Ipv4Addr) -> Result<IpNetwork> {
    Ok(Ipv4Network::new(address, PREFIX)?.into())
}
