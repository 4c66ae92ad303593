//! Rules and conntrack against real packets: a router (the test's namespace) between a client and two servers.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use nft::conntrack::{Conntrack, Filter};
use nft::expr::{AddrType, Expr, ct, fib, ip, masquerade, meta, th};
use nft::{
    Base, Batch, Chain, ChainType, Element, Hook, Key, KeyType, Nfproto, Nft, Policy, Proto, Rule, Set, Table, priority,
};
use support::{Peer, private_netns, table};

/// The published port, on the router.
const PUBLISHED: u16 = 8080;
/// The servers' port.
const SERVED: u16 = 80;
/// Longer than any packet here is on its way.
const PATIENCE: Duration = Duration::from_secs(2);
/// As many as a busy machine may need to probe the IPv6 addresses of the links.
const TRIES: usize = 150;

/// A router, a client behind one link and servers behind others.
struct Router {
    nft: Nft,
    table: Table,
    client: Peer,
    servers: [Peer; 2],
}

fn map(name: &str, addr: KeyType) -> Set {
    Set::map(name, [KeyType::InetProto, KeyType::InetService], [addr, KeyType::InetService])
}

fn map_for(addr: IpAddr) -> Set {
    if addr.is_ipv4() { map("dnat4", KeyType::Ipv4Addr) } else { map("dnat6", KeyType::Ipv6Addr) }
}

fn nat(hook: Hook, priority: i32) -> Base {
    Base { kind: ChainType::Nat, hook, priority, policy: Policy::Accept }
}

impl Router {
    fn new() -> Self {
        let nft = private_netns();
        for forwarding in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            fs::write(format!("/proc/sys/{forwarding}"), "1").unwrap();
        }
        let client = Peer::connect("client", "192.168.1", "fd01");
        let servers = [Peer::connect("one", "10.0.1", "fd02"), Peer::connect("two", "10.0.2", "fd03")];
        let mut router = Self { nft, table: table(), client, servers };
        router.install();
        router
    }

    /// Translates by two maps what comes to an address of the router.
    fn install(&mut self) {
        let table = &self.table;
        let transports = || meta::l4proto().any_of([Proto::TCP, Proto::UDP, Proto::SCTP]);
        let mut batch = Batch::new();
        batch.ensure_table(table);
        batch.ensure_chain(table, &Chain::base("pre", nat(Hook::Prerouting, priority::DSTNAT)));
        for map in [map("dnat4", KeyType::Ipv4Addr), map("dnat6", KeyType::Ipv6Addr)] {
            batch.ensure_set(table, &map);
            let dnat = meta::l4proto().dot(th::dport()).dnat_to(&map);
            let nfproto = if map.name == "dnat4" { Nfproto::IPV4 } else { Nfproto::IPV6 };
            let guards = [meta::nfproto().is(nfproto), fib::daddr_type(AddrType::Local), transports()];
            batch.add_rule(table, "pre", &Rule::new(guards.into_iter().chain([dnat]).collect::<Vec<_>>()));
        }
        self.nft.commit(batch).unwrap();
    }

    fn publish(&mut self, proto: Proto, to: IpAddr) {
        let element = Element::new(published(proto)).to(Key::new().ip(to).port(SERVED)).comment("a tag");
        let mut batch = Batch::new();
        batch.add_elements(&self.table, &map_for(to), [element]);
        self.nft.commit(batch).unwrap();
    }

    fn unpublish(&mut self, proto: Proto, to: IpAddr) {
        let mut batch = Batch::new();
        batch.delete_elements(&self.table, &map_for(to), [Element::new(published(proto))]);
        self.nft.commit(batch).unwrap();
    }

    fn rule(&mut self, chain: &str, base: Base, exprs: impl Into<Vec<Expr>>) {
        let mut batch = Batch::new();
        batch.ensure_chain(&self.table, &Chain::base(chain, base));
        batch.add_rule(&self.table, chain, &Rule::new(exprs));
        self.nft.commit(batch).unwrap();
    }

    fn udp_client(&self, to: &str) -> UdpSocket {
        let to: SocketAddr = to.parse().unwrap();
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = self.client.enter(|| UdpSocket::bind(any)).unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    fn udp_server(&self, server: usize, addr: &str) -> UdpSocket {
        let server = self.servers.get(server).unwrap();
        let socket = server.enter(|| UdpSocket::bind((addr, SERVED))).unwrap();
        socket.set_read_timeout(Some(PATIENCE / 20)).unwrap();
        socket
    }
}

fn published(proto: Proto) -> Key {
    Key::new().proto(proto).port(PUBLISHED)
}

/// Sends a word and answers it; gives whom the server saw. Sends again what is lost while links come up.
fn exchange(client: &UdpSocket, server: &UdpSocket) -> SocketAddr {
    let mut word = [0; 4];
    let attempt = || {
        // An ICMP error about an earlier attempt is told to the next one.
        client.send(b"ping").ok();
        server.recv_from(&mut word).ok()
    };
    let (_, seen) = std::iter::repeat_with(attempt).take(TRIES).flatten().next().unwrap();
    assert_eq!(&word, b"ping");
    server.send_to(b"pong", seen).unwrap();
    client.recv(&mut word).unwrap();
    assert_eq!(&word, b"pong");
    seen
}

#[test]
fn udp_reaches_the_server_that_the_map_names() {
    let mut router = Router::new();
    for (gate, server) in [("192.168.1.1:8080", "10.0.1.2"), ("[fd01::1]:8080", "fd02::2")] {
        router.publish(Proto::UDP, server.parse().unwrap());
        let client = router.udp_client(gate);
        let seen = exchange(&client, &router.udp_server(0, server));
        assert_eq!(seen.port(), client.local_addr().unwrap().port());
        assert!(["192.168.1.2", "fd01::2"].contains(&seen.ip().to_string().as_str()));
    }
}

#[test]
fn tcp_reaches_the_server_and_masquerade_hides_the_client() {
    let mut router = Router::new();
    let source = ip::saddr().within("192.168.1.0".parse().unwrap(), 24);
    router.rule(
        "post",
        nat(Hook::Postrouting, priority::SRCNAT),
        [source, ct::status([ct::Status::Dnat]), masquerade()],
    );
    router.publish(Proto::TCP, "10.0.1.2".parse().unwrap());
    let listener = router.servers[0].enter(|| TcpListener::bind(("10.0.1.2", SERVED))).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, seen) = listener.accept().unwrap();
        stream.write_all(b"hello").unwrap();
        seen
    });
    let mut word = String::new();
    let gate = SocketAddr::from(([192, 168, 1, 1], PUBLISHED));
    let mut stream = router.client.enter(|| TcpStream::connect_timeout(&gate, PATIENCE)).unwrap();
    stream.read_to_string(&mut word).unwrap();
    assert_eq!(word, "hello");
    assert_eq!(server.join().unwrap().ip().to_string(), "10.0.1.1");
}

#[test]
fn port_without_element_is_not_translated() {
    let mut router = Router::new();
    router.publish(Proto::TCP, "10.0.1.2".parse().unwrap());
    let client = router.udp_client("192.168.1.1:8080");
    client.send(b"ping").unwrap();
    let refused = client.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn flushed_flow_follows_the_map_again() {
    let mut router = Router::new();
    let (one, two) = ("10.0.1.2".parse().unwrap(), "10.0.2.2".parse().unwrap());
    let servers = [router.udp_server(0, "10.0.1.2"), router.udp_server(1, "10.0.2.2")];
    let client = router.udp_client("192.168.1.1:8080");
    router.publish(Proto::UDP, one);
    exchange(&client, &servers[0]);
    router.unpublish(Proto::UDP, one);
    router.publish(Proto::UDP, two);
    exchange(&client, &servers[0]);

    let mut conntrack = Conntrack::open().unwrap();
    let filter = Filter { family: Some(Nfproto::IPV4), proto: Some(Proto::UDP), orig_dport: Some(PUBLISHED) };
    let stale = |entry: &nft::conntrack::Entry| entry.reply.src == one;
    assert_eq!(conntrack.flush(filter, stale).unwrap(), 1);
    assert_eq!(conntrack.flush(filter, stale).unwrap(), 0);
    exchange(&client, &servers[1]);
    assert_eq!(conntrack.flush(filter, stale).unwrap(), 0);
}

#[test]
fn connections_are_listed_as_they_are() {
    let mut router = Router::new();
    let server = router.udp_server(0, "10.0.1.2");
    router.publish(Proto::UDP, "10.0.1.2".parse().unwrap());
    let client = router.udp_client("192.168.1.1:8080");
    exchange(&client, &server);
    exchange(&router.udp_client("10.0.1.2:80"), &server);
    let server6 = router.udp_server(0, "fd02::2");
    exchange(&router.udp_client("[fd02::2]:80"), &server6);

    let mut conntrack = Conntrack::open().unwrap();
    let all = conntrack.list(Filter::default()).unwrap();
    let udp = |entry: &&nft::conntrack::Entry| entry.proto == Proto::UDP;
    assert_eq!(all.iter().filter(udp).count(), 3, "{all:?}");
    let count = |conntrack: &mut Conntrack, family, proto, orig_dport| {
        conntrack.list(Filter { family, proto, orig_dport }).unwrap().len()
    };
    let (v4, v6, udp, tcp) = (Some(Nfproto::IPV4), Some(Nfproto::IPV6), Some(Proto::UDP), Some(Proto::TCP));
    assert_eq!(count(&mut conntrack, v4, udp, None), 2);
    assert_eq!(count(&mut conntrack, v6, udp, None), 1);
    assert_eq!(count(&mut conntrack, None, udp, Some(SERVED)), 2);
    assert_eq!(count(&mut conntrack, v4, udp, Some(SERVED)), 1);
    assert_eq!(count(&mut conntrack, v4, tcp, Some(SERVED)), 0);

    let filter = Filter { family: v4, proto: udp, orig_dport: Some(PUBLISHED) };
    let listed = conntrack.list(filter).unwrap();
    let [entry] = listed.as_slice() else { panic!("{listed:?}") };
    let port = client.local_addr().unwrap().port();
    assert_eq!((entry.orig.src.to_string().as_str(), entry.orig.sport), ("192.168.1.2", Some(port)));
    assert_eq!((entry.orig.dst.to_string().as_str(), entry.orig.dport), ("192.168.1.1", Some(PUBLISHED)));
    assert_eq!((entry.reply.src.to_string().as_str(), entry.reply.sport), ("10.0.1.2", Some(SERVED)));
    assert_eq!((entry.reply.dst.to_string().as_str(), entry.reply.dport), ("192.168.1.2", Some(port)));
    assert!(entry.has(ct::Status::Dnat) && entry.has(ct::Status::SeenReply) && !entry.has(ct::Status::Snat));

    assert!(conntrack.delete(entry).unwrap());
    assert!(!conntrack.delete(entry).unwrap());
    exchange(&client, &server);
    assert_eq!(conntrack.list(filter).unwrap().len(), 1);
}
