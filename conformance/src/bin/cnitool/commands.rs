//! From the command line to the runner.

use crate::{
    cli::{CacheDir, Command, Network, Target},
    listing::{self, Line},
    output::{self, Terminal},
    table,
};
use conformance::{
    Args, Attachment, AttachmentKey, Cache, Error, Executor, Finding, NetworkList, Object, Observer, OnFailedAdd,
    Result, Role, Runner, absolute, container_id, load,
};
use std::{ffi::OsString, path::Path};

const CONF_DIR: &str = "/etc/cni/net.d";
const PLUGIN_DIR: &str = "/opt/cni/bin";
const CACHE_DIR: &str = "/var/lib/cni";
const IFNAME: &str = "eth0";

/// Does what the command line says.
///
/// # Errors
/// What the operation says; arguments that cannot be decoded.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Add { network, netns, target, no_cleanup } => {
            let on_failure = if no_cleanup { OnFailedAdd::Leave } else { OnFailedAdd::Delete };
            let (runner, list) = prepare(network)?;
            let result = runner.add(&list, &attachment(Some(netns), target)?, on_failure)?;
            output::json(&result.to_value())
        }
        Command::Check { network, netns, target } => {
            let (runner, list) = prepare(network)?;
            runner.check(&list, &attachment(netns, target)?)
        }
        Command::Del { network, netns, target } => {
            let (runner, list) = prepare(network)?;
            runner.del(&list, &attachment(netns, target)?)
        }
        Command::Gc { network, keep, .. } => {
            let (runner, list) = prepare(network)?;
            runner.gc(&list, &keep)
        }
        Command::RmNetwork { network } => {
            let (runner, list) = prepare(network)?;
            runner.remove_network(&list)
        }
        Command::Status { network, .. } => {
            let (runner, list) = prepare(network)?;
            runner.status(&list)
        }
        Command::Ls { cache, json } => ls(&cache_of(cache), json),
        Command::Validate { network, .. } => {
            let (runner, list) = prepare(network)?;
            validate(&list, &runner.validate(&list))
        }
    }
}

fn prepare(network: Network) -> Result<(Runner<'static>, NetworkList)> {
    let conf_dir = given(network.conf_dir).unwrap_or_else(|| CONF_DIR.into());
    let list = load(Path::new(&conf_dir), &network.name, &Terminal)?;
    let path = given(network.path).unwrap_or_else(|| PLUGIN_DIR.into());
    let executor = Executor { path, timeout: network.timeout };
    Ok((Runner { executor, cache: cache_of(network.cache), observer: &Terminal }, list))
}

fn cache_of(dir: CacheDir) -> Cache {
    Cache::new(Path::new(&given(dir.cache_dir).unwrap_or_else(|| CACHE_DIR.into())))
}

/// Scripts set a variable to nothing to unset it.
fn given(option: Option<OsString>) -> Option<OsString> {
    option.filter(|text| !text.is_empty())
}

fn attachment(netns: Option<String>, target: Target) -> Result<Attachment> {
    let netns = netns.filter(|path| !path.is_empty()).map(|path| absolute_text(&path)).transpose()?;
    let container_id = match (target.container_id.filter(|id| !id.is_empty()), &netns) {
        (Some(id), _) => id,
        (None, Some(netns)) => container_id(Path::new(netns)),
        (None, None) => return Err(Error::refused("neither a network namespace nor a container ID is given")),
    };
    let ifname = target.ifname.filter(|name| !name.is_empty()).unwrap_or_else(|| IFNAME.into());
    Ok(Attachment {
        key: AttachmentKey { container_id, ifname },
        netns,
        args: target.args.filter(|text| !text.is_empty()).map(|text| Args::parse(&text)).transpose()?,
        capability_args: target.cap_args.filter(|text| !text.is_empty()).map(|text| cap_args(&text)).transpose()?,
    })
}

fn absolute_text(path: &str) -> Result<String> {
    let absolute = absolute(Path::new(path)).map_err(|cause| Error::io("find", Path::new(path), cause))?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|path| Error::refused(format!("path is {}, allowed is UTF-8", path.display())))
}

fn cap_args(text: &str) -> Result<Object> {
    Object::parse(text.as_bytes()).map_err(|cause| Error::refused(format!("CAP_ARGS is not a JSON object: {cause}")))
}

fn ls(cache: &Cache, json: bool) -> Result<()> {
    let listing = cache.list()?;
    for sentence in &listing.unreadable {
        Terminal.warning(sentence);
    }
    let lines: Vec<_> = listing.entries.iter().map(Line::from).collect();
    if json { output::json(&lines) } else { output::text(&listing::table(&lines)) }
}

fn validate(list: &NetworkList, findings: &[Finding]) -> Result<()> {
    let row = |finding: &Finding| {
        let role = match finding.role {
            Role::Plugin => "plugin",
            Role::Ipam => "ipam",
        };
        let path = finding.path.as_ref().map_or("-".into(), |path| path.display().to_string());
        let verdict = if finding.problem.is_none() { "ok" } else { "wrong" };
        [finding.plugin_type.clone(), role.into(), verdict.into(), path, finding.versions.join(" ")]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    output::text(&format!("network {}, version {}\n", list.name, list.version))?;
    output::text(&table::render(["TYPE", "ROLE", "VERDICT", "PATH", "VERSIONS"], &rows))?;
    let problems = findings.iter().filter_map(|finding| {
        let problem = finding.problem.as_ref()?;
        Some(Error::refused(format!("plugin {:?} of network {:?}: {problem}", finding.plugin_type, list.name)))
    });
    Error::join(problems.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { ifname: None, container_id: None, args: None, cap_args: None }
    }

    #[test]
    fn empty_variables_count_as_not_set() {
        let empty = || Some(String::new());
        let target = Target { ifname: empty(), container_id: empty(), args: empty(), cap_args: empty() };
        let attachment = attachment(Some("/run/netns/x".into()), target).unwrap();
        assert_eq!(attachment.key.ifname, "eth0");
        assert!(attachment.key.container_id.starts_with("cnitool-"));
        assert!(attachment.args.is_none() && attachment.capability_args.is_none());
        assert_eq!(given(Some(OsString::new())), None);
    }

    #[test]
    fn netns_is_cleaned_before_it_is_hashed() {
        let clean = attachment(Some("/run/netns/x".into()), target()).unwrap();
        let dotted = attachment(Some("/run/./a/../netns//x".into()), target()).unwrap();
        assert_eq!(dotted.netns.as_deref(), Some("/run/netns/x"));
        assert_eq!(clean.key, dotted.key);
    }

    #[test]
    fn neither_netns_nor_container_id_is_refused() {
        assert!(attachment(Some(String::new()), target()).is_err());
        let named = Target { container_id: Some("c1".into()), ..target() };
        assert_eq!(attachment(None, named).unwrap().netns, None);
    }

    #[test]
    fn arguments_that_cannot_be_decoded_are_refused() {
        for cap_args in ["[]", "{", "1"] {
            let target = Target { cap_args: Some(cap_args.into()), ..target() };
            let error = attachment(Some("/n".into()), target).unwrap_err().to_string();
            assert!(error.starts_with("CAP_ARGS is not a JSON object: "), "{error}");
        }
        let target = Target { args: Some("A".into()), ..target() };
        assert!(attachment(Some("/n".into()), target).is_err());
    }
}
