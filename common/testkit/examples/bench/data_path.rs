//! What a packet to a published port costs while more and more ports are published.
//!
//! A client on a host of its own, connected by a veth pair, opens TCP connections to ports of the host that lead to a
//! container on a bridge, and sends datagrams of one flow over UDP. The ports are the middle one and the last one of those
//! that are published, so that rules that are gone through one by one are not met at their beginning.
//!
//! Contenders with chains of iptables publish the first hundred ports by their own ADD. The others, which would take hours, are
//! the same rules under other names, restored: see [`Host::publish`].

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path, thread,
    time::{Duration, Instant},
};

use testkit::TestNs;

use crate::{
    published::{FIRST, Host},
    series::{Parameter, Series, Topic},
    setup::{Contender, Setup},
    turns::in_turn,
};

/// Datagrams that are sent in a row before one is answered: fewer than a socket's buffer holds.
const BURST: u32 = 100;
/// Nothing takes that long.
const LIMIT: Duration = Duration::from_secs(5);
/// Connections that a measurement opens at either port before the next host has its turn.
const CONNECTIONS: usize = 10;

/// The topic.
static DATA_PATH: Topic = Topic {
    name: "data-path",
    title: "packets through DNAT (rules of iptables: those of 100 ports by ADD, the others restored from copies of them)",
    parameter: Some(Parameter { name: "ports", width: 1 }),
    charted: &["connection"],
};

/// How many ports are published.
const PORTS: [u32; 3] = [10, 1_000, 10_000];

/// What is measured in one turn: at the last port, at the middle one, and a packet of a flow to the last one.
const CALLS: [&str; 3] = ["connection", "connection, middle", "packet of a flow"];

/// Measures one contender after the other; the numbers of ports take turns.
pub fn measure(setup: &Setup) -> Vec<Series> {
    let ports: Vec<u32> = PORTS.into_iter().filter(|ports| *ports <= setup.ports).collect();
    let rounds = usize::try_from(setup.calls).expect("a number of rounds");
    let of_one = |contender: &Contender| {
        let measured = in_turn(rounds, &ports, |ports| {
            let path = Path::new(&contender.dir, ports);
            move || path.measure()
        });
        let mut all = CALLS.map(|call| Series::new(&DATA_PATH, &contender.name, call));
        for (ports, turns) in ports.iter().zip(measured) {
            for (series, turns) in all.iter_mut().zip(turns) {
                turns.concat().into_iter().for_each(|took| series.push_time(*ports, took));
            }
        }
        all
    };
    let contenders: Vec<[Series; 3]> = setup.contenders.iter().map(of_one).collect();
    contenders.into_iter().flatten().collect()
}

/// A host with published ports, a container that answers at them, and a client outside.
struct Path {
    client: TestNs,
    middle: SocketAddr,
    last: SocketAddr,
    flow: UdpSocket,
    _host: Host,
}

impl Path {
    fn new(dir: &path::Path, ports: u32) -> Self {
        let ports = usize::try_from(ports).expect("a number of ports");
        let host = Host::new(dir);
        host.publish(ports);
        let client = host.sandbox.outside("client");
        serve(&host.container);
        // Even ports are TCP's, odd ones UDP's.
        let even = |port: usize| SocketAddr::from(([203, 0, 113, 1], u16::try_from(port & !1).expect("a port")));
        let (middle, last) = (even(FIRST + ports / 2), even(FIRST + ports - 1));
        let flow = client.run(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
        let odd = SocketAddr::new(last.ip(), last.port() | 1);
        flow.connect(odd).and_then(|()| flow.set_read_timeout(Some(LIMIT))).expect("a flow");
        Self { client, middle, last, flow, _host: host }
    }

    fn measure(&self) -> [Vec<Duration>; 3] {
        let connections = |to| self.client.run(|| (0..CONNECTIONS).map(|_| connection(to)).collect());
        [connections(self.last), connections(self.middle), vec![self.packet()]]
    }

    /// How long one packet of the flow takes.
    fn packet(&self) -> Duration {
        let start = Instant::now();
        for _ in 1..BURST {
            self.flow.send(b"x").expect("a datagram on its way");
        }
        self.flow.send(b"?").expect("a datagram on its way");
        self.flow.recv(&mut [0]).expect("an answer to the last datagram");
        start.elapsed() / BURST
    }
}

/// How long it takes to open a connection. The server closes it first, so that its address may be used again here.
fn connection(to: SocketAddr) -> Duration {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).expect("a connection");
    let took = start.elapsed();
    let _ = stream.read(&mut [0]);
    took
}

/// Answers in the container at port 80: TCP by closing, UDP if it is asked to. The threads end with the process.
fn serve(container: &TestNs) {
    let (tcp, udp) = container.run(|| (TcpListener::bind("0.0.0.0:80"), UdpSocket::bind("0.0.0.0:80")));
    let (tcp, udp) = (tcp.expect("a listener"), udp.expect("a socket"));
    thread::spawn(move || tcp.incoming().for_each(drop));
    thread::spawn(move || -> io::Result<()> {
        let mut datagram = [0];
        loop {
            let (_, from) = udp.recv_from(&mut datagram)?;
            if datagram == *b"?" {
                udp.send_to(&datagram, from)?;
            }
        }
    });
}
