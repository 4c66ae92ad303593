//! The private host: that it is private, that it starts empty, that its namespaces come and go.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use testkit::{Facility, Sandbox, Uplink, assert_same, eventually, require};

const SECOND: Duration = Duration::from_secs(1);

fn link_names(links: &serde_json::Value) -> Vec<&str> {
    links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str()).collect()
}

#[test]
fn a_new_host_has_lo_up_and_nothing_else() {
    let sandbox = Sandbox::enter();
    let links = sandbox.json("ip -j link");
    assert_eq!(link_names(&links), ["lo"]);
    assert!(sandbox.host().ping("127.0.0.1").is_ok());
    assert_eq!(fs::read_dir("/sys/class/net").unwrap().count(), 1, "sysfs is another host's");
    assert_eq!(fs::read_dir(sandbox.dir()).unwrap().count(), 0);
}

/// Proves something on a machine that routes: new namespaces start with the first one's IPv4 settings.
#[test]
fn a_new_host_does_not_route() {
    let sandbox = Sandbox::enter();
    assert_eq!(sandbox.sh("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding"), "0\n0\n");
}

#[test]
fn two_hosts_do_not_see_each_other() {
    let both_made_theirs = Arc::new(Barrier::new(2));
    let hosts = ["here0", "there0"].map(|link| {
        let barrier = Arc::clone(&both_made_theirs);
        thread::spawn(move || {
            let sandbox = Sandbox::enter();
            let container = sandbox.netns("c1");
            sandbox.sh(&format!("ip link add {link} type bridge; nft add table inet {link}"));
            fs::write(sandbox.dir().join(link), "").unwrap();
            fs::write(Path::new("/run").join(link), "").unwrap();
            barrier.wait();
            let files = fs::read_dir(sandbox.dir()).unwrap().count();
            let links = sandbox.json("ip -j link");
            assert_eq!(link_names(&links), ["lo", link]);
            assert_eq!(sandbox.sh("nft list tables").trim(), format!("table inet {link}"));
            assert_eq!((files, container.name()), (1, "c1"));
        })
    });
    for host in hosts {
        host.join().unwrap();
    }
}

#[test]
fn what_is_written_to_state_directories_stays_in_the_sandbox() {
    let mark = "/var/lib/testkit-was-here";
    let seen = thread::spawn(move || {
        let _sandbox = Sandbox::enter();
        fs::write(mark, "").unwrap();
        Path::new(mark).exists()
    });
    assert!(seen.join().unwrap());
    let leaked = fs::remove_file(mark).is_ok();
    assert!(!leaked);
}

#[test]
fn a_container_is_another_network_at_its_path() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    sandbox.sh("ip link add veth-c1 type veth peer name eth0 netns c1");
    assert_eq!(link_names(&container.json("ip -j link")), ["lo", "eth0"]);
    assert_eq!(
        link_names(&sandbox.json(&format!("nsenter --net={} ip -j link", container.path().display()))),
        ["lo", "eth0"]
    );
    assert_eq!(link_names(&sandbox.host().json("ip -j link")), ["lo", "veth-c1"]);
}

#[test]
fn a_removed_namespace_takes_its_links_along() {
    let sandbox = Sandbox::enter();
    let before = sandbox.snapshot(&[]);
    let container = sandbox.netns("c1");
    let path = container.path().to_owned();
    sandbox.sh("ip link add veth-c1 type veth peer name eth0 netns c1");
    container.remove();
    assert!(!path.exists());
    eventually(5 * SECOND, || match before.diff(&sandbox.snapshot(&[])) {
        diff if diff.is_empty() => Ok(()),
        diff => Err(diff),
    });
}

#[test]
fn a_process_inside_keeps_a_removed_namespace_alive() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    sandbox.sh("ip link add veth-c1 type veth peer name eth0 netns c1");
    let socket = container.listen_tcp("[::]:80");
    container.remove();
    let during = sandbox.try_sh("ip link show veth-c1").status;
    drop(socket);
    assert!(during.success());
    eventually(5 * SECOND, || {
        if sandbox.try_sh("ip link show veth-c1").status.success() { Err("still there") } else { Ok(()) }
    });
}

#[test]
fn threads_of_a_test_are_on_its_host() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add mine type bridge");
    thread::scope(|scope| {
        let seen = scope.spawn(|| sandbox.sh("ls /sys/class/net"));
        assert!(seen.join().unwrap().contains("mine"));
    });
}

#[test]
fn an_outside_host_is_reached_and_reaches_us() {
    let sandbox = Sandbox::enter();
    let outside = sandbox.outside("outside");
    for (here, there) in [("203.0.113.1", "203.0.113.2"), ("2001:db8:ffff::1", "2001:db8:ffff::2")] {
        sandbox.host().ping(there).unwrap();
        outside.ping(here).unwrap();
    }
    assert_eq!(sandbox.json("ip -j route show default")[0]["gateway"], "203.0.113.2");
    assert_eq!(outside.json("ip -j -6 route show default")[0]["gateway"], "2001:db8:ffff::1");
}

#[test]
fn a_second_outside_host_leaves_the_default_route() {
    let sandbox = Sandbox::enter();
    sandbox.outside("first");
    let uplink = Uplink {
        link: "uplink1",
        host: ["198.51.100.1/24", "2001:db8:eeee::1/64"],
        outside: ["198.51.100.2/24", "2001:db8:eeee::2/64"],
    };
    let second = sandbox.outside_via("second", &uplink);
    second.ping("198.51.100.1").unwrap();
    assert_eq!(sandbox.json("ip -j route show default").as_array().unwrap().len(), 1);
}

#[test]
#[should_panic(expected = "nobody home")]
fn a_failing_command_shows_what_it_said() {
    Sandbox::enter().sh("echo nobody home >&2; false; echo not reached");
}

#[test]
fn a_command_that_may_fail_returns_everything() {
    let ran = Sandbox::enter().try_sh("echo out; echo err >&2; exit 7");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.status.code()), ("out\n", "err\n", Some(7)));
}

#[test]
fn a_panic_inside_a_namespace_is_the_tests_panic() {
    let sandbox = Sandbox::enter();
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sandbox.netns("c1").run(|| panic!("inside"))));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
}

#[test]
fn the_same_host_looks_the_same_twice() {
    let sandbox = Sandbox::enter();
    let _outside = sandbox.outside("outside");
    let before = sandbox.snapshot(&[sandbox.dir()]);
    // Long enough for link-local addresses and duplicate address detection.
    thread::sleep(2 * SECOND + SECOND / 2);
    assert_same(&before, &sandbox.snapshot(&[sandbox.dir()]));
}

/// Run by the next test as the first process of a PID namespace: the only way to be in the first process's network.
#[test]
#[ignore = "run by another test"]
fn enter_as_the_first_process() {
    Sandbox::enter();
}

#[test]
fn the_machines_own_network_is_refused() -> io::Result<()> {
    let sandbox = Sandbox::enter();
    let as_first = "unshare --pid --fork --mount-proc";
    if !require(Facility::Script(&format!("{as_first} true"))) {
        return Ok(());
    }
    let test = std::env::current_exe()?;
    let ran = sandbox.try_sh(&format!("{as_first} {} --ignored --exact enter_as_the_first_process", test.display()));
    assert!(!ran.status.success());
    assert!(ran.stdout.contains("this is the machine's own network"), "{ran:?}");
    Ok(())
}
