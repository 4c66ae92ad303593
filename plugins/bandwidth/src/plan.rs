//! Which limits there are: the configuration, checked, and what the kernel is told of it. Nothing here touches the kernel.

use cni::{Error, Result};
use net::{Bucket, Tbf};

use crate::conf::Conf;

/// What a burst has to be below, in bits: the kernel counts its bytes in 32 bits, and the reference allows one less.
const BURST_END: u64 = (u32::MAX as u64) * 8;
/// How long a packet waits at most once the burst has been used up: the queue holds what the rate sends in that time, and a burst.
const LATENCY_MS: u64 = 25;
/// The part of a packet that the MTU leaves out (`ETH_HLEN`, `if_ether.h`).
const ETHERNET_HEADER: u32 = 14;

/// The limits of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Of what goes to the container.
    pub ingress: Option<Limit>,
    /// Of what the container sends.
    pub egress: Option<Limit>,
}

/// A limit in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// In bytes per second.
    rate: u64,
    /// In bytes.
    burst: u32,
}

impl Plan {
    /// Checks the configuration.
    pub fn new(conf: &Conf) -> Result<Self> {
        let (place, limits) = conf.limits();
        Ok(Self {
            ingress: limit(place, "ingress", limits.ingress_rate, limits.ingress_burst)?,
            egress: limit(place, "egress", limits.egress_rate, limits.egress_burst)?,
        })
    }

    /// Whether there is nothing to limit.
    pub fn is_empty(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

/// A rate and a burst in bits; 0 is as good as unset.
fn limit(place: &str, direction: &str, rate: Option<u64>, burst: Option<u64>) -> Result<Option<Limit>> {
    let (rate, burst) = (rate.unwrap_or(0), burst.unwrap_or(0));
    let refuse =
        |key: &str, value: u64, why: &str| Err(Error::invalid(format!("\"{place}{direction}{key}\" {value}: {why}")));
    match (rate, burst) {
        (0, 0) => return Ok(None),
        (0, _) => {
            return refuse("Burst", burst, &format!("if burst is set, rate must also be set (\"{direction}Rate\")"));
        }
        (_, 0) => {
            return refuse("Rate", rate, &format!("if rate is set, burst must also be set (\"{direction}Burst\")"));
        }
        (1..8, _) => return refuse("Rate", rate, "must be 8 bits per second or more"),
        _ => {}
    }
    match u32::try_from(burst / 8) {
        Ok(bytes) if burst < BURST_END => Ok(Some(Limit { rate: rate / 8, burst: bytes })),
        _ => refuse("Burst", burst, &format!("burst cannot be more than 4GB: must be {} bits or less", BURST_END - 1)),
    }
}

impl Limit {
    /// What the kernel is told for a link of this MTU; `tick` is its unit of time in nanoseconds.
    pub fn tbf(self, mtu: u32, tick: u64) -> Tbf {
        let burst = self.burst_on(mtu);
        let waiting = (u128::from(self.rate) * u128::from(LATENCY_MS) / 1000) + u128::from(burst);
        Tbf {
            rate: self.rate,
            bucket: self.bucket(burst, packet(mtu), tick),
            limit: u32::try_from(waiting).unwrap_or(u32::MAX),
        }
    }

    /// A packet that is longer than the burst would never pass: it is one packet at least.
    fn burst_on(self, mtu: u32) -> u32 {
        self.burst.max(packet(mtu))
    }

    /// The reference's CHECK compares a bucket in ticks with its own sum, which is in whole microseconds. Where so much
    /// precision does, it gets what it expects.
    fn bucket(self, burst: u32, packet: u32, tick: u64) -> Bucket {
        let microseconds = u64::from(burst) * 1_000_000 / self.rate.max(1);
        let is_precise = microseconds >= 1000 && burst / 2 >= packet;
        let ticks = u32::try_from(u128::from(microseconds) * 1000 / u128::from(tick.max(1)));
        ticks.ok().filter(|_| is_precise).map_or(Bucket::Bytes(burst), Bucket::Ticks)
    }

    /// In what a filter that the kernel tells of differs from this limit, on a link of this MTU.
    pub fn difference(self, found: &Tbf, mtu: u32, tick: u64) -> Option<String> {
        let wanted = self.tbf(mtu, tick);
        if found.rate != wanted.rate {
            return Some(format!("the rate is {}, not {} bytes per second", found.rate, wanted.rate));
        }
        if found.limit != wanted.limit {
            return Some(format!("{} bytes may wait, not {}", found.limit, wanted.limit));
        }
        let ticks = u64::from(self.burst_on(mtu)) * 1_000_000_000 / self.rate.max(1) / tick.max(1);
        (!is_bucket_of(found.bucket, ticks, tick))
            .then(|| format!("the burst is not {} bytes ({ticks} ticks) but {:?}", self.burst_on(mtu), found.bucket))
    }
}

/// The longest packet of a link.
fn packet(mtu: u32) -> u32 {
    mtu.saturating_add(ETHERNET_HEADER)
}

/// Whether a bucket holds so many ticks, of which the kernel tells the lower 32 bits. It counts with 31 bits of precision, and the
/// microsecond that may be lacking is the reference's, and ours.
fn is_bucket_of(bucket: Bucket, ticks: u64, tick: u64) -> bool {
    let Bucket::Ticks(found) = bucket else { return false };
    let lower = (ticks & u64::from(u32::MAX)).try_into().unwrap_or(u32::MAX);
    let apart = found.wrapping_sub(lower).min(u32::wrapping_sub(lower, found));
    u64::from(apart) <= 2 + 1000 / tick.max(1) + (ticks >> 28)
}

#[cfg(test)]
mod tests;
