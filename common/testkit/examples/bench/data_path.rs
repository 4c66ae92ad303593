//! What a packet to a published port costs while more and more ports are published.
//!
//! A client on a host of its own, connected by a veth pair, opens TCP connections to ports of the host that lead to a
//! container on a bridge, and sends datagrams of one flow over UDP. The ports are the middle one and the last one of those
//! that are published, so that rules that are gone through one by one are not met at their beginning.
//!
//! Contenders with chains of iptables publish the first hundred ports by their own ADD. The others, which would take hours, are
//! the same rules under other names, restored at once: see [`Host::publish`].

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use testkit::TestNs;

use crate::ports::{FIRST, Host, Point, in_turn, point, print};

/// Datagrams that are sent in a row before one is answered: fewer than a socket's buffer holds.
const BURST: u32 = 100;
/// Nothing takes that long.
const LIMIT: Duration = Duration::from_secs(5);
/// Connections that a measurement opens at either port before the next host has its turn.
const CONNECTIONS: usize = 10;

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Extent {
    /// How many ports are published.
    pub ports: Vec<usize>,
    /// How often each host has its turn.
    pub rounds: usize,
}

impl Default for Extent {
    fn default() -> Self {
        Self { ports: vec![10, 1_000, 10_000], rounds: 50 }
    }
}

/// What is measured in one turn.
const SERIES: [&str; 3] = ["connection to the middle port", "connection to the last port", "packet of a flow"];

/// `NAME=DIR...`, at most `--most N` ports, `--rounds N`.
pub fn main(mut args: impl Iterator<Item = String>) {
    let (mut contenders, mut extent) = (Vec::new(), Extent::default());
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).expect("a number behind the option");
        match arg.as_str() {
            "--most" => {
                let most = number();
                extent.ports.retain(|ports| *ports <= most);
            }
            "--rounds" => extent.rounds = number(),
            _ => contenders.extend(arg.split_once('=').map(|(name, dir)| (name.to_owned(), dir.to_owned()))),
        }
    }
    compare(&contenders, &extent);
}

/// Measures each contender, a name and a directory of plugins, and prints a table. The numbers of ports take turns, so that
/// what else the machine does meets all alike.
pub fn compare(contenders: &[(String, String)], extent: &Extent) -> Vec<Point> {
    println!("packets through DNAT, the numbers of published ports in turn");
    println!("rules of iptables: the first hundred ports by ADD, the others restored from copies of those\n");
    let mut points = Vec::new();
    for (name, dir) in contenders {
        let measured = in_turn(extent.rounds, &extent.ports, |ports| {
            let path = Path::new(dir, ports);
            move || path.measure()
        });
        for (&ports, series) in extent.ports.iter().zip(measured) {
            let series = SERIES.into_iter().zip(series);
            points.extend(series.map(|(series, turns)| point(name, series, ports, turns.concat())));
        }
    }
    print(&points);
    points
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
    fn new(dir: &str, ports: usize) -> Self {
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
        [connections(self.middle), connections(self.last), vec![self.packet()]]
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
