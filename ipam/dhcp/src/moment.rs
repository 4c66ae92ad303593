//! Time that goes on while the machine sleeps, and across the daemon's restarts.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Milliseconds since the machine was booted, times of sleep included: leases end during these, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        // The kernel has this clock since 2.6.39.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Self(0), |time| {
            let whole = u64::try_from(time.tv_sec()).unwrap_or_default();
            Self(whole * 1000 + u64::try_from(time.tv_nsec()).unwrap_or_default() / 1_000_000)
        })
    }

    /// That long after boot.
    #[cfg(test)]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// That much later.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// That much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        self.plus_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    /// How long after `earlier`; 0 if it is before.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
