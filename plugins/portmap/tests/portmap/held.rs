//! A port of the host that a process has is not taken from it.

use serde_json::json;
use testkit::{Server, assert_same};

use crate::stage::{Proto, Stage, Web, mapping, web, web_at};

/// A process of its own that has a port. What this one has, so have its children for a moment, whichever test starts them.
struct Process<'a> {
    stage: &'a Stage,
    id: String,
}

impl Stage {
    #[track_caller]
    fn listen(&self, proto: Proto, at: &str) -> Server {
        match proto {
            Proto::Tcp => self.host().listen_tcp(at),
            Proto::Udp => self.host().listen_udp(at),
        }
    }

    /// Starts one, with `argument` among its arguments. `[::]` is of both families.
    fn hold(&self, proto: Proto, at: &str, argument: &str) -> Process<'_> {
        let (address, port) = at.rsplit_once(':').unwrap();
        let (address, kind) = (address.trim_matches(['[', ']']), if proto == Proto::Tcp { "STREAM" } else { "DGRAM" });
        let family = if address.contains(':') { "INET6" } else { "INET" };
        let ready = self.sandbox.dir().join("held");
        let ready = ready.display();
        let id = self.sandbox.sh(&format!(
            "rm -f {ready}
             python3 -c 'import socket, time
held = socket.socket(socket.AF_{family}, socket.SOCK_{kind})
held.bind((\"{address}\", {port}))
if \"{kind}\" == \"STREAM\": held.listen()
open(\"{ready}\", \"w\")
time.sleep(60)' -c {argument} </dev/null >/dev/null 2>&1 &
             until [ -e {ready} ]; do kill -0 $! && sleep 0.01; done; echo $!"
        ));
        Process { stage: self, id: id.trim().to_owned() }
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        let id = &self.id;
        self.stage.sandbox.sh(&format!("kill {id}; while kill -0 {id} 2>/dev/null; do sleep 0.01; done"));
    }
}

fn only(proto: Proto) -> serde_json::Value {
    json!([mapping(8080, 80, proto.name())])
}

#[test]
fn port_of_a_process_is_refused_with_its_name_and_nothing_changes() {
    let stage = Stage::new();
    for proto in Proto::BOTH {
        for at in ["0.0.0.0:8080", "127.0.0.1:8080", "203.0.113.1:8080", "[::]:8080", "[2001:db8:ffff::1]:8080"] {
            let name = format!("{}-{}", proto.name(), at.replace(['.', ':', '[', ']'], "_"));
            let (chain, result) = stage.bridged(&name, &stage.publishing(only(proto)));
            let plugin = chain.plugins()[1].with_prev(&result);
            let process = stage.hold(proto, at, "x");
            let before = stage.snapshot();
            let error = plugin.add().failure_code(101);
            let (proto, id) = (proto.name(), &process.id);
            let named = format!("publish host port 8080/{proto}: address already in use by \"python3\" (process {id})");
            assert_eq!(error["msg"], named, "{at}");
            assert_same(&before, &stage.snapshot());
            drop(process);
            plugin.add().success();
            chain.del(Some(&result));
        }
    }
}

#[test]
fn iptables_refuses_it_too() {
    let stage = Stage::new();
    let keys = json!({ "backend": "iptables", "runtimeConfig": { "portMappings": web() } });
    let (chain, result) = stage.bridged("c1", &stage.network(1, keys));
    let _process = stage.listen(Proto::Udp, "[::]:8080");
    let before = stage.snapshot();
    let error = chain.plugins()[1].with_prev(&result).add().failure_code(101);
    assert!(
        error["msg"].as_str().unwrap().starts_with("publish host port 8080/udp: address already in use by"),
        "{error}"
    );
    assert_same(&before, &stage.snapshot());
}

#[test]
fn other_addresses_families_protocols_and_ports_are_no_obstacle() {
    let stage = Stage::new();
    let _processes = [
        stage.listen(Proto::Tcp, "127.0.0.1:8080"),
        stage.listen(Proto::Tcp, "[2001:db8:ffff::1]:8080"),
        stage.listen(Proto::Tcp, "0.0.0.0:8081"),
        stage.listen(Proto::Tcp, "203.0.113.1:80"),
    ];
    let web = stage.run("c1", &stage.publishing(web_at("203.0.113.1")));
    assert!(web.answers(&stage.outside));
    let at_none_of_the_hosts = stage.chain("c2", &stage.publishing(web_at("192.0.2.77")));
    at_none_of_the_hosts.add();
}

#[test]
fn families_are_looked_at_each_by_itself() {
    let stage = Stage::new();
    let _process = stage.listen(Proto::Tcp, "0.0.0.0:8080");
    let _web = stage.run("c1", &stage.publishing(web_at("::")));
    assert_eq!(Proto::Tcp.ask(&stage.outside, "[2001:db8:ffff::1]:8080").server, "c1");
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8080").server, "host");
}

#[test]
fn connections_of_the_past_are_no_obstacle() {
    let stage = Stage::new();
    // The side that closes first waits.
    stage.sandbox.sh("python3 -c '
import socket
listener = socket.create_server((\"203.0.113.1\", 8080))
client = socket.create_connection((\"203.0.113.1\", 8080))
server, _ = listener.accept()
server.close(); client.recv(1); client.close()'");
    let sockets = stage.sandbox.sh("cat /proc/thread-self/net/tcp");
    assert!(sockets.lines().any(|line| line.contains(":1F90 ") && line.contains(" 06 ")), "none waits\n{sockets}");
    let web = stage.run("c1", &stage.publishing(web()));
    assert!(web.answers(&stage.outside));
}

/// podman's conmon has the ports of a running container, whose networks `podman network reload` attaches anew.
#[test]
fn runtime_may_have_the_port_for_this_very_container() {
    let stage = Stage::new();
    for (id, is_refused) in [("c1", false), ("c11", true)] {
        let (chain, result) = stage.bridged("c1", &stage.publishing(web()));
        let process = stage.hold(Proto::Tcp, "0.0.0.0:8080", id);
        let output = chain.plugins()[1].with_prev(&result).add();
        drop(process);
        if is_refused {
            let error = output.failure_code(101);
            assert!(error["msg"].as_str().unwrap().contains("in use by \"python3\" (process "), "{error}");
        } else {
            output.success();
        }
        chain.del(Some(&result));
        stage.sandbox.sh("umount /run/netns/c1; rm /run/netns/c1");
    }
}

#[test]
fn port_of_a_process_may_be_taken_where_the_configuration_says_so() {
    let stage = Stage::new();
    let _process = stage.listen(Proto::Tcp, "0.0.0.0:8080");
    let keys = json!({ "allowInUse": true, "runtimeConfig": { "portMappings": web() } });
    let web: Web = stage.run("c1", &stage.network(1, keys));
    assert!(web.answers(&stage.outside));
}
