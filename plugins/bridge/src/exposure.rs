//! What the firewall sees to for a network with a gateway mode, or another key of `reach`.

use attach::{
    exposure::{self, Exposure},
    firewall,
    verify::failed,
};
use cni::{Result, Undo};
use net::LinkIndex;
use nft::Nft;

use crate::plan::Plan;

/// An exposure that can be written.
#[derive(Debug)]
pub struct Ready {
    nft: Nft,
    exposure: Exposure,
}

/// Refuses before anything is made what [`ensure`] could not do, and takes back what that will make for all ports of the bridge,
/// once there is none left: so this is to be undone behind the port.
pub fn prepare(plan: &Plan, undo: &mut Undo) -> Result<Option<Ready>> {
    let Some(exposure) = plan.exposure() else { return Ok(None) };
    let mut nft = Nft::open().map_err(firewall)?;
    nft.generation().map_err(firewall)?;
    let bridge = plan.bridge.clone();
    undo.push("expose bridge", move || exposure::release_unused(&bridge, &[]));
    Ok(Some(Ready { nft, exposure }))
}

/// Exposes the bridge as the network wants it. To be done before the container has an address.
pub fn ensure(ready: Option<Ready>, network: &str) -> Result<()> {
    ready.map_or(Ok(()), |Ready { mut nft, exposure }| exposure::ensure(&mut nft, network, &exposure))
}

/// Fails unless it is so.
pub fn check(plan: &Plan, network: &str) -> Result<()> {
    match plan.exposure() {
        Some(exposure) if !exposure::is_ensured(network, &exposure)? => {
            Err(failed(format!("check exposure of \"{}\": the firewall has it otherwise", exposure.link)))
        }
        _ => Ok(()),
    }
}

/// Ends the exposure of everything behind `bridge`, unless it has ports other than `going` that are attachments'.
pub fn release_unused(bridge: &str, going: &[LinkIndex]) -> Result<()> {
    exposure::release_unused(bridge, going)
}

/// Ends the exposure of bridges that no attachment needs any more.
pub fn release_garbage() -> Result<()> {
    exposure::release_garbage()
}
