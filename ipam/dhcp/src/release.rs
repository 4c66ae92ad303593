//! Telling servers that a lease is needed no more. They do not answer, or nobody waits for it; who cannot be told finds out when the
//! lease ends.

use std::{io, path::Path, time::Duration};

use cni::Result;
use ipnetwork::IpNetwork;

use crate::{
    exchange::Channel,
    interface::{Interface, kernel},
    key::Key,
    lease::{Lease, Server},
    plan::Wanted,
    record::Record,
    schedule::Random,
    v4::{self, frame::Way},
    v6,
};

/// Tells the servers of all leases that are in use, if the interface is still there.
pub fn record(record: &Record, prefix: &Path) {
    let path = under(prefix, &record.netns);
    let leases = record.in_use();
    let interface = match Interface::find(&path, &record.interface, &leases) {
        Ok(Some(interface)) => interface,
        Ok(None) => return,
        Err(error) => return log::info!("release of {}: {error}", record.key.container_id),
    };
    release(interface, &record.key, &record.wanted, &leases);
}

/// Tells the servers of these leases.
pub fn release(mut interface: Interface, key: &Key, wanted: &Wanted, leases: &[&Lease]) {
    for lease in leases {
        if let Err(error) = lease_of(&mut interface, key, wanted, lease) {
            log::info!("release of {}: {error}", key.container_id);
        }
    }
}

fn lease_of(interface: &mut Interface, key: &Key, wanted: &Wanted, lease: &Lease) -> Result<()> {
    match &lease.server {
        Server::V4 { id, mac } => {
            let client = client_v4(key, wanted, interface.mac());
            let Some(IpNetwork::V4(ip)) = lease.ips.first().map(|ip| ip.address) else { return Ok(()) };
            let say = v4::message::Say::Release { address: ip.ip(), server: *id };
            let message = client.write(say, Random::new().number(), Duration::ZERO);
            // As a frame, which waits for no neighbour to be found: the interface may go the next moment.
            let way = Way { from_mac: interface.mac(), to_mac: *mac, from: ip.ip(), to: *id };
            let name = interface.link.name.clone();
            within(interface, |inside| v4::channel::Frames::open(inside, &name, way)?.send(&message))
        }
        Server::V6 { duid } => {
            let client = client_v6(key, wanted);
            let [_, xid @ ..] = Random::new().number().to_be_bytes();
            let message = client.write(v6::message::Say::Release(&lease.ips, duid), xid, Duration::ZERO);
            let from = interface.link_local()?;
            let link = interface.link.clone();
            within(interface, |inside| v6::channel::Datagrams::open(inside, &link, from)?.send(&message))
        }
    }
}

fn within(interface: &Interface, send: impl FnOnce(&net::Inside<'_>) -> io::Result<()> + Send) -> Result<()> {
    let done = interface.netns.enter(send).map_err(kernel)?;
    done.map_err(|error| cni::Error::new(cni::Code::Kernel, format!("send from \"{}\": {error}", interface.link.name)))
}

/// Who asks by DHCPv4.
pub fn client_v4(key: &Key, wanted: &Wanted, mac: [u8; 6]) -> v4::message::Client {
    v4::message::Client { mac, id: key.client_id(), wanted: wanted.v4.clone().unwrap_or_default() }
}

/// Who asks by DHCPv6.
pub fn client_v6(key: &Key, wanted: &Wanted) -> v6::message::Client {
    v6::message::Client { duid: key.duid(), wanted: wanted.v6.clone().unwrap_or_default() }
}

/// The path as the daemon sees it, where the host's files begin at `prefix`.
pub fn under(prefix: &Path, path: &Path) -> std::path::PathBuf {
    if prefix.as_os_str().is_empty() {
        return path.to_owned();
    }
    prefix.join(path.strip_prefix("/").unwrap_or(path))
}
