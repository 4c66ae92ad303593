//! Routes beside those of others.

use cni::Result;
use net::{Route, Rtnl};

use crate::kernel;

/// The metric that the kernel gives an IPv6 route without one (`IP6_RT_PRIO_USER`, `include/net/ip6_fib.h`).
pub(crate) const IPV6_METRIC: u32 = 1024;

/// Adds a route. Where its metric is taken by a route to the same destination it gets the next free one, so that it serves
/// only when that has gone. Returns the metric.
pub fn add(rtnl: &mut Rtnl, route: &Route) -> Result<Option<u32>> {
    let mut metric = route.metric;
    loop {
        match rtnl.add_route(&Route { metric, ..route.clone() }) {
            Ok(()) => return Ok(metric),
            Err(error) if error.is_exists() => {
                let floor = if route.dst.is_ipv6() { IPV6_METRIC } else { 0 };
                metric = metric.unwrap_or(floor).checked_add(1);
                if metric.is_none() {
                    return Err(kernel(error));
                }
            }
            Err(error) => return Err(kernel(error)),
        }
    }
}
