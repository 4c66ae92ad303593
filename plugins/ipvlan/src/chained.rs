//! Behind another plugin, as the reference is used with network interfaces of a cloud: that plugin has a link on the host and the
//! addresses that belong to it, and ipvlan takes them into the container. Nothing here touches the kernel.

use cni::{Error, Interface, IpConfig, Result, Success};

/// The name of the interface that the plugin before has made.
///
/// # Errors
/// Code 7 unless there is exactly one.
pub fn master(prev: &Success) -> Result<&str> {
    match prev.interfaces.as_slice() {
        [only] if !only.name.is_empty() => Ok(&only.name),
        _ => Err(Error::invalid(
            "chained master failure. PrevResult lacks a single named interface: \"master\" must name a link",
        )),
    }
}

/// What is for the link: all but the addresses that an interface in the container has already.
pub fn lease(prev: &Success) -> Success {
    Success { ips: prev.ips.iter().filter(|ip| is_free(prev, ip)).cloned().collect(), ..prev.clone() }
}

/// The previous result with those addresses as the link's.
///
/// The link stands in the place of its master, if that is told of: the reference wants to find one interface when it is asked to
/// remove the link.
pub fn result(prev: &Success, own: Success, master: &str) -> Success {
    let is_alone = prev.interfaces.len() == 1;
    let is_master = |interface: &Interface| interface.name == master && (interface.sandbox.is_none() || is_alone);
    let stays = |interface: &&Interface| !is_master(interface);
    let interfaces: Vec<Interface> = prev.interfaces.iter().filter(stays).cloned().chain(own.interfaces).collect();
    let place = |interface: Option<&Interface>| {
        let place = interfaces.iter().position(|other| Some(other) == interface);
        place.and_then(|place| i64::try_from(place).ok())
    };
    let kept = prev.ips.iter().filter(|ip| !is_free(prev, ip));
    let kept = kept.map(|ip| IpConfig { interface: place(prev.interface_of(ip)), ..ip.clone() });
    let last = place(interfaces.last());
    let taken = own.ips.into_iter().map(|ip| IpConfig { interface: last, ..ip });
    Success { ips: kept.chain(taken).collect(), interfaces, ..own }
}

/// Whether no interface in the container has the address.
fn is_free(prev: &Success, ip: &IpConfig) -> bool {
    prev.interface_of(ip).is_none_or(|interface| interface.sandbox.is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Success {
        serde_json::from_value(value).unwrap()
    }

    /// What ADD makes of a lease.
    fn own(lease: &Success) -> Success {
        let mut own = Success {
            interfaces: read(json!({ "interfaces": [{ "name": "eth0", "sandbox": "/n" }] })).interfaces,
            ..lease.clone()
        };
        own.ips.iter_mut().for_each(|ip| ip.interface = Some(0));
        own
    }

    #[test]
    fn link_takes_the_place_and_the_addresses_of_its_master() {
        let prev = read(json!({ "interfaces": [{ "name": "ens5" }], "routes": [{ "dst": "0.0.0.0/0" }],
            "ips": [{ "address": "10.1.0.2/24", "interface": 0 }, { "address": "fd01::2/64" }] }));
        let expected =
            read(json!({ "interfaces": [{ "name": "eth0", "sandbox": "/n" }], "routes": [{ "dst": "0.0.0.0/0" }],
            "ips": [{ "address": "10.1.0.2/24", "interface": 0 }, { "address": "fd01::2/64", "interface": 0 }] }));
        assert_eq!(lease(&prev), prev);
        assert_eq!(result(&prev, own(&lease(&prev)), "ens5"), expected);
    }

    #[test]
    fn what_is_in_the_container_already_stays() {
        let prev = read(json!({
            "interfaces": [{ "name": "ens5" }, { "name": "ens5", "sandbox": "/n" }, { "name": "other" }],
            "ips": [{ "address": "10.1.0.2/24", "interface": 0 }, { "address": "10.2.0.2/24", "interface": 1 }] }));
        let expected = read(json!({
            "interfaces": [{ "name": "ens5", "sandbox": "/n" }, { "name": "other" }, { "name": "eth0", "sandbox": "/n" }],
            "ips": [{ "address": "10.2.0.2/24", "interface": 0 }, { "address": "10.1.0.2/24", "interface": 2 }] }));
        assert_eq!(lease(&prev).ips, prev.ips[..1]);
        assert_eq!(result(&prev, own(&lease(&prev)), "ens5"), expected);
    }
}
