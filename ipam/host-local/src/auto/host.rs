//! What of the address space a host uses already, as files tell it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnetwork::IpNetwork;

use super::choose::Taken;
use crate::resolv_conf;

/// Files of resolv.conf(5); the second one names the servers behind the first one's 127.0.0.53.
const RESOLV_CONFS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
/// Routes that are at least so wide are ways out rather than networks: VPNs split the default route into halves.
const WIDE: u8 = 7;

/// What identifies the host as long as it is installed, or at least until it is started again.
pub fn id() -> String {
    let read = |path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|id| !id.is_empty());
    read("/etc/machine-id").or_else(|| read("/proc/sys/kernel/random/boot_id")).unwrap_or_default()
}

/// Routes of the table `main`, and name servers.
pub fn taken() -> Taken {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let routes = v4_routes(&read("/proc/net/route")).into_iter().chain(v6_routes(&read("/proc/net/ipv6_route")));
    let mut taken = Taken::default();
    for (network, is_on_link) in routes.filter(|(network, _)| network.prefix() > WIDE) {
        let into = if is_on_link { &mut taken.by_others } else { &mut taken.beyond };
        into.push(network);
    }
    let servers = RESOLV_CONFS.iter().flat_map(|path| resolv_conf::parse(&read(path)).nameservers);
    taken.by_others.extend(servers.filter_map(|server| cni::parse_ip(&server)).map(IpNetwork::from));
    taken
}

/// The destinations of `/proc/net/route`, and whether each is on a link (`fib_route_seq_show`, `net/ipv4/fib_trie.c`).
fn v4_routes(text: &str) -> Vec<(IpNetwork, bool)> {
    let number = |word: &str| u32::from_str_radix(word, 16).ok().map(u32::from_be);
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, destination, gateway, _, _, _, _, mask, ..] = words.as_slice() else { return None };
        let prefix = u8::try_from(number(mask)?.count_ones()).ok()?;
        let network = IpNetwork::new(Ipv4Addr::from_bits(number(destination)?).into(), prefix).ok()?;
        Some((network, number(gateway)? == 0))
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// The same of `/proc/net/ipv6_route` (`rt6_info_route`, `net/ipv6/route.c`), without multicast and link-local ones.
fn v6_routes(text: &str) -> Vec<(IpNetwork, bool)> {
    let address = |word: &str| u128::from_str_radix(word, 16).ok().map(Ipv6Addr::from_bits);
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, gateway, ..] = words.as_slice() else { return None };
        let destination = address(destination).filter(|ip| !ip.is_multicast() && !ip.is_unicast_link_local())?;
        let network = IpNetwork::new(IpAddr::from(destination), u8::from_str_radix(length, 16).ok()?).ok()?;
        Some((network, address(gateway)?.is_unspecified()))
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            eth0\t000010AC\t0200000A\t0003\t0\t0\t0\t0000F0FF\t0\t0\t0\njunk\n";
        let told: Vec<String> = v4_routes(v4).iter().map(|(net, on_link)| format!("{net} {on_link}")).collect();
        assert_eq!(told, ["0.0.0.0/0 false", "10.0.0.0/24 true", "172.16.0.0/12 false"]);
        let zeros = "0".repeat(32);
        let v6 = format!(
            "fd010000000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 eth0\n\
             fd020000000000000000000000000000 30 {zeros} 00 fd010000000000000000000000000001 00000100 1 0 3 eth0\n\
             fe800000000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 eth0\n\
             ff000000000000000000000000000000 08 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 eth0\njunk\n"
        );
        let told: Vec<String> = v6_routes(&v6).iter().map(|(net, on_link)| format!("{net} {on_link}")).collect();
        assert_eq!(told, ["fd01::/64 true", "fd02::/48 false"]);
    }
}
