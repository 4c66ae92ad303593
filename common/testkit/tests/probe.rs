//! Packets between namespaces.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use testkit::{Sandbox, TestNs, eventually};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(300);

/// A container at 10.1.0.2 and `2001:db8:1::2`, behind the host.
fn container(sandbox: &Sandbox) -> TestNs {
    let container = sandbox.netns("c1");
    sandbox.sh("ip link add veth-c1 type veth peer name eth0 netns c1; ip link set veth-c1 up; \
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    container.sh("ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0; ip addr add 2001:db8:1::2/64 dev eth0 nodad");
    sandbox.sh("ip addr add 10.1.0.1/24 dev veth-c1; ip addr add 2001:db8:1::1/64 dev veth-c1 nodad");
    container.sh("ip route add default via 10.1.0.1; ip -6 route add default via 2001:db8:1::1");
    eventually(5 * SECOND, || container.ping("2001:db8:1::1"));
    container
}

fn ip(address: SocketAddr) -> String {
    address.ip().to_string()
}

#[test]
fn servers_tell_who_they_are_and_whom_they_see() {
    let sandbox = Sandbox::enter();
    let container = container(&sandbox);
    for (host, inside) in [("10.1.0.1", "10.1.0.2"), ("2001:db8:1::1", "2001:db8:1::2")] {
        let port = 80;
        let (_tcp, _udp) = (container.listen_tcp((inside, port)), container.listen_udp((inside, port)));
        let tcp = sandbox.host().connect_tcp((inside, port), SECOND).unwrap();
        let udp = sandbox.host().ask_udp((inside, port), SECOND).unwrap();
        for reply in [tcp, udp] {
            assert_eq!(
                (reply.server.as_str(), ip(reply.local), ip(reply.peer)),
                ("c1", inside.to_owned(), host.to_owned())
            );
            assert_eq!(reply.local.port(), port);
        }
    }
}

#[test]
fn a_server_on_all_addresses_shows_ipv4_as_ipv4() {
    let sandbox = Sandbox::enter();
    let container = container(&sandbox);
    let server = container.listen_tcp("[::]:0");
    let reply = sandbox.host().connect_tcp(("10.1.0.2", server.address().port()), SECOND).unwrap();
    assert_eq!((ip(reply.local), ip(reply.peer)), ("10.1.0.2".to_owned(), "10.1.0.1".to_owned()));
}

#[test]
fn translation_shows_at_both_ends() {
    let sandbox = Sandbox::enter();
    let (container, outside) = (container(&sandbox), sandbox.outside("outside"));
    sandbox.sh("nft add table ip t; nft 'add chain ip t pre { type nat hook prerouting priority -100; }'; \
         nft add rule ip t pre ip daddr 203.0.113.1 meta l4proto '{ tcp, udp }' th dport 8080 dnat to 10.1.0.2:80; \
         nft 'add chain ip t post { type nat hook postrouting priority 100; }'; \
         nft add rule ip t post ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/24 masquerade");
    let _inner = (container.listen_tcp("10.1.0.2:80"), container.listen_udp("10.1.0.2:80"));
    for reply in [outside.connect_tcp("203.0.113.1:8080", SECOND), outside.ask_udp("203.0.113.1:8080", SECOND)] {
        let reply = reply.unwrap();
        assert_eq!((reply.local.to_string(), ip(reply.peer)), ("10.1.0.2:80".to_owned(), "203.0.113.2".to_owned()));
    }
    let _outer = outside.listen_tcp("203.0.113.2:443");
    let masqueraded = container.connect_tcp("203.0.113.2:443", SECOND).unwrap();
    assert_eq!((masqueraded.server.as_str(), ip(masqueraded.peer)), ("outside", "203.0.113.1".to_owned()));
}

#[test]
fn a_dropped_server_answers_no_more() {
    let sandbox = Sandbox::enter();
    let container = container(&sandbox);
    let (tcp, udp) = (container.listen_tcp("10.1.0.2:80"), container.listen_udp("10.1.0.2:80"));
    drop((tcp, udp));
    let refused = sandbox.host().connect_tcp("10.1.0.2:80", SECOND).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(sandbox.host().ask_udp("10.1.0.2:80", SECOND).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    container.listen_tcp("10.1.0.2:80");
}

#[test]
fn dropped_packets_time_out() {
    let sandbox = Sandbox::enter();
    let container = container(&sandbox);
    let _servers = (container.listen_tcp("10.1.0.2:80"), container.listen_udp("10.1.0.2:80"));
    container.sh("nft add table ip t; nft 'add chain ip t in { type filter hook input priority 0; policy drop; }'");
    let kinds = [sandbox.host().connect_tcp("10.1.0.2:80", SOON), sandbox.host().ask_udp("10.1.0.2:80", SOON)]
        .map(|reply| reply.unwrap_err().kind());
    assert_eq!(kinds, [io::ErrorKind::TimedOut; 2]);
    assert!(sandbox.host().ping("10.1.0.2").is_err());
}

#[test]
fn an_unreachable_address_is_an_error() {
    let sandbox = Sandbox::enter();
    assert_eq!(
        sandbox.host().connect_tcp("10.9.9.9:80", SECOND).unwrap_err().kind(),
        io::ErrorKind::NetworkUnreachable
    );
    assert!(sandbox.host().ping("10.9.9.9").is_err());
}

#[test]
fn a_socket_made_inside_can_be_used_outside() {
    let sandbox = Sandbox::enter();
    let container = container(&sandbox);
    let flow = sandbox.host().run(|| UdpSocket::bind("10.1.0.1:5000")).unwrap();
    let _server = container.listen_udp("10.1.0.2:53");
    flow.set_read_timeout(Some(SECOND)).unwrap();
    flow.send_to(b"x", "10.1.0.2:53").unwrap();
    let mut answer = [0; 64];
    let (length, from) = flow.recv_from(&mut answer).unwrap();
    assert_eq!(from.to_string(), "10.1.0.2:53");
    assert_eq!(&answer[..length], b"c1 10.1.0.2:53 10.1.0.1:5000\n");
}
