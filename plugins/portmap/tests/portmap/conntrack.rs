//! Connections remember where they were led: a client that keeps sending must not be led by what was true before.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use serde_json::json;
use testkit::{Facility, TestNs, require};

use crate::stage::{LONG, SHORT, Stage, mapping};

/// A client that keeps its source port.
struct Client(UdpSocket);

impl Client {
    fn new(netns: &TestNs, to: &str) -> Self {
        let to: SocketAddr = to.parse().unwrap();
        let socket = netns.run(|| {
            let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:5555" } else { "[::]:5555" }).unwrap();
            socket.connect(to).unwrap();
            socket
        });
        Self(socket)
    }

    /// Sends once; the name of the server that answers.
    fn ask(&self, limit: Duration) -> io::Result<String> {
        let mut line = [0; 256];
        // An answer, or an error, that came late for an earlier question is none to this.
        self.0.set_nonblocking(true)?;
        while !self.0.recv(&mut line).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {}
        self.0.set_nonblocking(false)?;
        self.0.set_read_timeout(Some(limit))?;
        self.0.send(b"who?")?;
        let length = self.0.recv(&mut line)?;
        let line = String::from_utf8_lossy(&line[..length]).into_owned();
        Ok(line.split(' ').next().unwrap_or_default().to_owned())
    }

    /// The name of the server that answers the very next packet.
    fn who(&self) -> String {
        self.ask(LONG).unwrap()
    }

    fn nobody(&self) {
        if let Ok(server) = self.ask(SHORT) {
            panic!("{server} answers");
        }
    }
}

const ADDRESSES: [&str; 2] = ["203.0.113.1:5353", "[2001:db8:ffff::1]:5353"];

#[test]
fn flow_of_a_client_follows_the_published_port() {
    for address in ADDRESSES {
        let stage = Stage::new();
        // So that the first packets leave an entry instead of an error.
        stage.sandbox.sh("nft add table inet filter
             nft add chain inet filter input '{ type filter hook input priority 10; }'");
        let _own = stage.host().listen_udp("[::]:5353");
        let client = Client::new(&stage.outside, address);
        assert_eq!(client.who(), "host");
        let mappings = json!([mapping(5353, 80, "udp")]);
        let list = stage.network(1, json!({ "allowInUse": true, "runtimeConfig": { "portMappings": mappings } }));
        let one = stage.run("c1", &list);
        assert_eq!(client.who(), "c1");
        one.stop();
        assert_eq!(client.who(), "host");
        let two = stage.run("c2", &list);
        assert_eq!(client.who(), "c2");
        two.stop();
        assert_eq!(client.who(), "host");
    }
}

#[test]
fn flow_to_a_closed_port_reaches_the_container_and_nobody_after_del() {
    for address in ADDRESSES {
        let stage = Stage::new();
        let list = stage.publishing(json!([mapping(5353, 80, "udp")]));
        let client = Client::new(&stage.outside, address);
        client.nobody();
        let one = stage.run("c1", &list);
        assert_eq!(client.who(), "c1");
        one.stop();
        client.nobody();
        let two = stage.run("c2", &list);
        assert_eq!(client.who(), "c2");
        two.chain.plugins()[1].del().silent();
        client.nobody();
    }
}

#[test]
fn flow_is_forgotten_by_gc_and_by_take_over() {
    let stage = Stage::new();
    let list = stage.publishing(json!([mapping(5353, 80, "udp")]));
    let client = Client::new(&stage.outside, ADDRESSES[0]);
    let one = stage.run("c1", &list);
    assert_eq!(client.who(), "c1");
    one.portmap().gc(&[]).silent();
    client.nobody();
    one.portmap().with_prev(&one.result).add().success();
    assert_eq!(client.who(), "c1");
    stage.sandbox.sh(&format!("ip link del {}", one.result["interfaces"][1]["name"].as_str().unwrap()));
    let _two = stage.run("c2", &list);
    assert_eq!(client.who(), "c2");
}

#[test]
fn del_after_one_that_was_killed_forgets_flows() {
    let stage = Stage::new();
    let list = stage.publishing(json!([mapping(5353, 80, "udp")]));
    let client = Client::new(&stage.outside, ADDRESSES[0]);
    let web = stage.run("c1", &list);
    assert_eq!(client.who(), "c1");
    // What a DEL leaves that is killed between the ports and the connections.
    for set in ["ports4", "ports6", "snat_ports4", "snat_ports6", "port_owners"] {
        stage.sandbox.sh(&format!("nft flush set inet mooring {set} || nft flush map inet mooring {set}"));
    }
    assert_eq!(client.who(), "c1");
    web.portmap().with_prev(&web.result).del().silent();
    client.nobody();
}

#[test]
fn flows_to_the_same_port_of_others_are_left_alone() {
    if !require(Facility::Program("conntrack")) {
        return;
    }
    let stage = Stage::new();
    let list = stage.publishing(json!([mapping(5353, 80, "udp")]));
    let web = stage.run("c1", &list);
    let _far = stage.outside.listen_udp("[::]:5353");
    let client = Client::new(&web.netns, "203.0.113.2:5353");
    assert_eq!(client.who(), "outside");
    let entry =
        || stage.sandbox.sh("conntrack -L -p udp --orig-port-dst 5353 2>/dev/null | grep -c 'dst=203.0.113.2' || true");
    assert_eq!(entry().trim(), "1");
    web.portmap().with_prev(&web.result).add().success();
    assert_eq!(entry().trim(), "1");
    web.portmap().with_prev(&web.result).del().silent();
    assert_eq!(entry().trim(), "1");
}
