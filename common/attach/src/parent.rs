//! The link that a container's link is made on (`master` in configurations).

use cni::{Code, Error, Result};
use net::{Link, MAIN_TABLE, Route, Rtnl};

use crate::kernel;

/// The link `name`, or else the one that the first default route leads to.
///
/// # Errors
/// Code 100 if there is none.
pub fn find(rtnl: &mut Rtnl, name: Option<&str>) -> Result<Link> {
    let missing = |msg: String| Error::new(Code::Kernel, msg);
    if let Some(name) = name {
        let found = rtnl.link(name).map_err(kernel)?;
        return found.ok_or_else(|| missing(format!("find \"master\" \"{name}\": there is no link of that name")));
    }
    let routes = rtnl.routes().map_err(kernel)?;
    let is_default = |route: &&Route| route.table == MAIN_TABLE && route.dst.prefix() == 0;
    let preferred = routes.iter().filter(is_default).min_by_key(|route| route.metric.unwrap_or(0));
    let link = preferred.map(|route| rtnl.link_at(route.link)).transpose().map_err(kernel)?.flatten();
    link.ok_or_else(|| missing("find \"master\": no default route interface found, name a link".to_owned()))
}
