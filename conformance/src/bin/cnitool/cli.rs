//! The command line.
#![allow(clippy::doc_markdown, reason = "doc comments are the text of --help")]

use clap::{Args, Parser, Subcommand};
use conformance::{AttachmentKey, check_container_id, check_ifname};
use std::{ffi::OsString, time::Duration};

/// Attach a network namespace to a CNI network by hand, and detach it again.
///
/// A network is a .conflist, .conf or .json file in the directory of configurations; it is called by the "name" in it. What
/// is attached is remembered in the cache, which is shared with every other user of libcni on this host.
#[derive(Debug, Parser)]
#[command(name = "cnitool", version = VERSION, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Says whose it is, because the reference has a cnitool too; `scripts/install --uninstall` tells them apart by it.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (Mooring)");

const AFTER_HELP: &str = "\
Variables of the environment that are empty count as not set; an option beats its variable.
The exit status is 0 for success, 1 for a failure and 2 for a wrong command line.

Examples:
  ip netns add blue
  cnitool add mynet /run/netns/blue
  CAP_ARGS='{\"portMappings\": [{\"hostPort\": 8080, \"containerPort\": 80, \"protocol\": \"tcp\"}]}' \\
      cnitool add mynet /run/netns/green
  cnitool ls
  cnitool del mynet /run/netns/blue";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Attach a network namespace and print the result
    ///
    /// Runs ADD of each plugin of the network. If one fails, DEL is run over the whole list, so that nothing is left of the
    /// attempt. The result is printed in the version of the network.
    Add {
        /// Network and directories
        #[command(flatten)]
        network: Network,
        /// The path of the network namespace, for example /run/netns/blue
        #[arg(value_name = "NETNS")]
        netns: String,
        /// Container and interface
        #[command(flatten)]
        target: Target,
        /// Leave what a failed attempt has made, to look at it
        #[arg(long)]
        no_cleanup: bool,
    },
    /// Check that an attachment is as ADD left it
    ///
    /// Runs CHECK of each plugin of the network. It needs the cached result of ADD and a network of version 0.4.0 or later.
    /// CNI_ARGS, CAP_ARGS and the network namespace are those of ADD if they are not given.
    Check {
        /// Network and directories
        #[command(flatten)]
        network: Network,
        /// The path of the network namespace; with --container-id it may be left out
        #[arg(value_name = "NETNS", required_unless_present = "container_id")]
        netns: Option<String>,
        /// Container and interface
        #[command(flatten)]
        target: Target,
    },
    /// Detach a network namespace
    ///
    /// Runs DEL of each plugin of the network in reverse order. It needs neither a cached result nor a network namespace that
    /// still exists, and may be repeated. It stops at the first plugin that fails. CNI_ARGS, CAP_ARGS and the network
    /// namespace are those of ADD if they are not given.
    Del {
        /// Network and directories
        #[command(flatten)]
        network: Network,
        /// The path of the network namespace; with --container-id it may be left out
        #[arg(value_name = "NETNS", required_unless_present = "container_id")]
        netns: Option<String>,
        /// Container and interface
        #[command(flatten)]
        target: Target,
    },
    /// Detach everything from a network but the attachments to keep
    ///
    /// Runs DEL for each cached attachment of the network that is not kept and prints which, then GC of each plugin (since
    /// version 1.1.0). The cache is shared: without --keep this takes the containers of other runtimes off the network, too.
    Gc {
        /// Network and directories
        #[command(flatten)]
        network: Network,
        /// Not used; accepted as other versions of this tool ask for it
        #[arg(value_name = "NETNS", hide = true)]
        _netns: Option<String>,
        /// An attachment to keep; may be repeated. "cnitool ls" prints both names
        #[arg(long, value_name = "CONTAINER/IFNAME", value_parser = attachment_key)]
        keep: Vec<AttachmentKey>,
    },
    /// Detach everything from a network, and remove what its plugins keep of it
    ///
    /// Runs DEL for each cached attachment of the network and prints which, then GC of each plugin with nothing to keep, in
    /// version 1.1.0 if the network's is older, and also with "disableGC". Bridges that were made for the network go. The cache
    /// is shared: this takes the containers of other runtimes off the network, too. Its configuration stays.
    RmNetwork {
        /// Network and directories
        #[command(flatten)]
        network: Network,
    },
    /// Ask whether the plugins of a network are ready to serve ADD
    ///
    /// Runs STATUS of each plugin. A network before version 1.1.0 has no such question: it counts as ready.
    Status {
        /// Network and directories
        #[command(flatten)]
        network: Network,
        /// Not used; accepted as other versions of this tool ask for it
        #[arg(value_name = "NETNS", hide = true)]
        _netns: Option<String>,
    },
    /// List what is attached, according to the cache
    Ls {
        /// Where the cache is
        #[command(flatten)]
        cache: CacheDir,
        /// Print a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Check that all plugins of a network are installed and know its version
    ///
    /// Runs VERSION of each plugin and of each IPAM delegate. Nothing is changed.
    Validate {
        /// Network and directories
        #[command(flatten)]
        network: Network,
        /// Not used; accepted as other commands of this tool ask for it
        #[arg(value_name = "NETNS", hide = true)]
        _netns: Option<String>,
    },
}

/// Which network, and where everything is.
#[derive(Debug, Args)]
pub struct Network {
    /// The name of the network, as it stands in its configuration
    #[arg(value_name = "NETWORK")]
    pub name: String,
    /// Directory of the configurations [default: /etc/cni/net.d]
    #[arg(long, value_name = "DIR", env = "NETCONFPATH", hide_env_values = true)]
    pub conf_dir: Option<OsString>,
    /// Directories of the plugins, with colons between them [default: /opt/cni/bin]
    #[arg(long, value_name = "DIRS", env = "CNI_PATH", hide_env_values = true)]
    pub path: Option<OsString>,
    /// Where the cache is.
    #[command(flatten)]
    pub cache: CacheDir,
    /// Kill a plugin that runs longer; it may be less than a second, like 0.5 [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// Where the cache is.
#[derive(Debug, Args)]
pub struct CacheDir {
    /// Directory of the cache [default: /var/lib/cni]
    #[arg(long, value_name = "DIR", env = "CNI_CACHE_DIR", hide_env_values = true)]
    pub cache_dir: Option<OsString>,
}

/// Which attachment, and what its plugins are told.
#[derive(Debug, Args)]
pub struct Target {
    /// The interface in the network namespace [default: eth0]
    #[arg(short, long, value_name = "NAME", env = "CNI_IFNAME", hide_env_values = true)]
    pub ifname: Option<String>,
    /// The container ID [default: cnitool- and a hash of the absolute path of NETNS]
    #[arg(long, value_name = "ID", env = "CNI_CONTAINERID", hide_env_values = true)]
    pub container_id: Option<String>,
    /// Arguments for the plugins: KEY=VALUE pairs with semicolons between them
    #[arg(long, value_name = "PAIRS", env = "CNI_ARGS", hide_env_values = true)]
    pub args: Option<String>,
    /// Arguments for plugins with a capability: a JSON object, for example {"portMappings": [...]}
    #[arg(long, value_name = "JSON", env = "CAP_ARGS", hide_env_values = true)]
    pub cap_args: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|limit| !limit.is_zero()).ok_or_else(|| "allowed is a number of seconds above 0".into())
}

fn attachment_key(text: &str) -> Result<AttachmentKey, String> {
    let (container_id, ifname) = text.split_once('/').ok_or("allowed is CONTAINER/IFNAME")?;
    check_container_id(container_id).and_then(|()| check_ifname(ifname)).map_err(|error| error.to_string())?;
    Ok(AttachmentKey { container_id: container_id.into(), ifname: ifname.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, error::ErrorKind};

    fn refused(args: &[&str]) -> ErrorKind {
        Cli::try_parse_from([&["cnitool"], args].concat()).unwrap_err().kind()
    }

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn timeout_is_a_positive_number() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for junk in ["0", "-1", "x", "", "inf", "NaN", "5s"] {
            assert!(seconds(junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn attachment_to_keep_is_container_and_interface() {
        let key = attachment_key("c1/eth0").unwrap();
        assert_eq!((key.container_id.as_str(), key.ifname.as_str()), ("c1", "eth0"));
        for junk in ["c1", "/eth0", "c1/", "c1/a/b", "-x/eth0"] {
            assert!(attachment_key(junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn missing_words_are_usage_errors() {
        assert_eq!(refused(&["add", "net"]), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused(&["gc"]), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused(&["attach", "net", "ns"]), ErrorKind::InvalidSubcommand);
        assert_eq!(refused(&[]), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    }

    #[test]
    fn netns_may_be_left_out_for_a_container_id() {
        assert!(Cli::try_parse_from(["cnitool", "del", "net", "--container-id", "c1"]).is_ok());
        assert_eq!(refused(&["add", "net", "--container-id", "c1"]), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn netns_that_go_cnitool_asks_for_is_accepted() {
        for command in ["gc", "status", "validate"] {
            assert!(Cli::try_parse_from(["cnitool", command, "net", "/run/netns/x"]).is_ok(), "{command}");
        }
    }
}
