//! Routes beside those of others.

use cni::Result;
use net::{Route, Rtnl};

use crate::kernel;

/// The metric that the kernel gives an IPv6 route without one (`IP6_RT_PRIO_USER`, `include/net/ip6_fib.h`).
pub(crate) const IPV6_METRIC: u32 = 1024;

/// Gives the default routes of a network their places among those of the container's other networks: the kernel takes the one
/// with the lowest metric that is there. A route that has a priority of its own keeps it.
pub fn place_gateway(routes: &mut [cni::Route], priority: Option<u16>) {
    let Some(priority) = priority.map(u32::from) else { return };
    for route in routes.iter_mut().filter(|route| route.is_default() && route.priority.unwrap_or_default() == 0) {
        route.priority = Some(priority + if route.dst.is_ipv6() { IPV6_METRIC } else { 0 });
    }
}

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
