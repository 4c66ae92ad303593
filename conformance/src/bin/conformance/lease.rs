//! Asking for addresses: which ones are free, and whether they came.

use crate::case::{Stop, Verdict};
use crate::demand::Demands;
use crate::stage::{Container, Stage};
use crate::told::{Told, cidr, text};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use testkit::Plugin;

/// Addresses that nobody has, one for each that a container gets, with their prefix lengths.
pub fn wanted(stage: &Stage) -> Result<Vec<(IpAddr, u8)>, Stop> {
    let container = stage.container("sample");
    let result = container.at.add().result()?;
    container.at.del().silence()?;
    let ips = Told::of(&result).ips;
    Ok(ips.iter().filter_map(|ip| cidr(text(&ip["address"]))).map(|(ip, length)| (next(ip, 7), length)).collect())
}

/// The address `steps` further on.
pub fn next(ip: IpAddr, steps: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip).wrapping_add(steps.into())).into(),
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip).wrapping_add(steps.into())).into(),
    }
}

/// Whether the result has this address.
pub fn has(result: &Value, address: &str) -> bool {
    let wanted = address.parse::<IpAddr>().ok();
    let ips = Told::of(result).ips;
    wanted.is_some() && ips.iter().any(|ip| cidr(text(&ip["address"])).map(|(ip, _)| ip) == wanted)
}

/// Demands that ADD assigns the addresses that it is asked for by `ask`, with prefix lengths and without.
pub fn asked(stage: &Stage, ask: impl Fn(&Container, &[String]) -> Plugin) -> Verdict {
    let wanted = wanted(stage)?;
    if wanted.is_empty() {
        return Err(Stop::skip("assigns no addresses"));
    }
    let with_length: Vec<_> = wanted.iter().map(|(ip, length)| format!("{ip}/{length}")).collect();
    let without: Vec<_> = wanted.iter().map(|(ip, _)| next(*ip, 3).to_string()).collect();
    for (id, ips) in [with_length, without].iter().enumerate() {
        let container = stage.container(&format!("asks{id}"));
        let output = ask(&container, ips).run();
        let result = output.result()?;
        let missing = ips.iter().find(|ip| !has(&result, ip.split('/').next().unwrap_or_default()));
        output.demand_none(missing.cloned().unwrap_or_default(), "the addresses that are asked for in the result")?;
    }
    Ok(())
}
