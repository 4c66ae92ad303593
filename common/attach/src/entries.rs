//! Routes of a container's link that others have made: where they come, and in which order they can be made.

use cni::Result;
use net::{Errno, Link, Rank, RouteEntry, Rtnl};

use crate::kernel;

/// The entries of a table by `link`, as they are told.
pub fn of<'a>(entries: &'a [RouteEntry], link: &Link, table: u32) -> Vec<&'a RouteEntry> {
    entries.iter().filter(|entry| entry.route.link == link.index && entry.route.table == table).collect()
}

/// What is on the link before what is behind it: the kernel takes no next hop that it cannot reach.
pub fn reachable_first<'a>(entries: impl IntoIterator<Item = &'a RouteEntry>) -> Vec<&'a RouteEntry> {
    let (behind, on_link): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.route.gw.is_some());
    on_link.into_iter().chain(behind).collect()
}

/// Where `entry` is among all `entries`, that it may be put there again.
pub fn rank_of(entry: &RouteEntry, entries: &[RouteEntry]) -> Rank {
    let first = entries.iter().find(|other| other.is_rival(entry));
    if first.is_none_or(|first| first.is_same(entry)) { Rank::First } else { Rank::Last }
}

/// Puts a route back for a DEL.
///
/// # Errors
/// What may succeed the next time. What the kernel does not take back is left out, with a line in the log: nothing else would ever
/// end a container.
pub fn put_back(rtnl: &mut Rtnl, entry: &RouteEntry, rank: Rank) -> Result<()> {
    match rtnl.add_entry(entry, rank) {
        Err(error) if is_final(error.errno) => {
            log::warn!("{error}; it is left out");
            Ok(())
        }
        added => added.map_err(kernel),
    }
}

/// Whether the kernel will refuse a route the next time as well: the link has gone down, its next hop cannot be reached.
fn is_final(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EINVAL
            | Errno::ENODEV
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::EHOSTUNREACH
            | Errno::EADDRNOTAVAIL
    )
}

#[cfg(test)]
mod tests {
    use net::{LinkIndex, Route};

    use super::*;

    fn entry(dst: &str, gw: Option<&str>, link: u32) -> RouteEntry {
        let route = Route::new(dst.parse().unwrap(), gw.map(|gw| gw.parse().unwrap()), LinkIndex(link));
        RouteEntry::new(&route, 3)
    }

    #[test]
    fn next_hops_can_be_reached_when_their_turn_comes() {
        let all = [entry("0.0.0.0/0", Some("10.1.0.1"), 2), entry("10.1.0.0/24", None, 2), entry("fd00::/64", None, 2)];
        let order: Vec<_> = reachable_first(&all).iter().map(|entry| entry.route.dst.prefix()).collect();
        assert_eq!(order, [24, 64, 0]);
    }

    #[test]
    fn rank_is_that_among_routes_for_the_same_packets() {
        let all = [
            entry("10.1.0.0/24", None, 2),
            entry("0.0.0.0/0", Some("10.1.0.1"), 2),
            entry("0.0.0.0/0", Some("10.2.0.1"), 3),
        ];
        let ranks: Vec<_> = all.iter().map(|entry| rank_of(entry, &all)).collect();
        assert_eq!(ranks, [Rank::First, Rank::First, Rank::Last]);
        assert_eq!(rank_of(&all[2].in_table(7), &all), Rank::First);
    }
}
