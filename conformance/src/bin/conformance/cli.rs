//! The command line.
#![allow(clippy::doc_markdown, reason = "doc comments are the text of --help")]

use crate::crash::{Cleanup, Kind, Operation};
use crate::requirement::Level;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Test any CNI plugin: what the specification demands, and what is left of it when it is killed.
///
/// Plugins are run as processes, in network namespaces and mounts of their own: no link, rule or file of this machine is
/// touched. Needs root or user namespaces, and the programs ip, tc, bridge and nft.
#[derive(Debug, Parser)]
#[command(name = "conformance", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
The exit status is 0 for success, 1 when a plugin failed and 2 for a wrong command line.

Examples:
  conformance run --plugin-dir /opt/cni/bin --plugin bridge --plugin host-local
  conformance run --plugin-dir ./bin --config my-plugin.json --level ref --format junit
  conformance explain del::twice
  conformance crash --plugin-dir ./bin --plugin my-plugin --config my-plugin.json --every 10";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the cases against plugins and tell the verdicts
    Run(Run),
    /// List the cases, or the requirements that have none
    List {
        /// The requirements that no case tests, and why
        #[arg(long)]
        uncovered: bool,
    },
    /// Tell what a case tests
    Explain {
        /// The id, for example del::twice or v0_4_0::layout
        id: String,
    },
    /// Kill plugins, and let their system calls fail, at every one of them, and tell what is left
    Crash(Crash),
    /// Put the reports of several runs side by side, as a markdown table
    Matrix {
        /// Reports written with --format json, each as TITLE=FILE
        #[arg(required = true, value_name = "TITLE=FILE")]
        reports: Vec<String>,
    },
}

/// Which plugins to look at.
#[derive(Clone, Debug, Args)]
pub struct Plugins {
    /// The directory of the plugins and of their delegates
    #[arg(long, value_name = "DIR")]
    pub plugin_dir: PathBuf,
    /// A plugin in it; repeat it for more. Without it, all
    #[arg(long = "plugin", value_name = "NAME")]
    pub names: Vec<String>,
    /// A file with a configuration that works: a plugin object, or a list of them
    ///
    /// It is used for the plugin that its "type" names; those of other plugins in a list are left out. Texts in it may
    /// contain {dir} (a directory for state), {netns} (the path of the container's network namespace) and {i} (the
    /// container's number, from 1); "{8000+i}" is a number. A "prevResult" in it is made true in the kernel before ADD, and
    /// "hostLinks" names links that the host has. Configurations of the plugins of
    /// containernetworking are known. Without one, the cases run that need none.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to run, and how to tell it.
#[derive(Debug, Args)]
pub struct Run {
    /// Which plugins
    #[command(flatten)]
    pub plugins: Plugins,
    /// The weakest level of requirements to test
    #[arg(long, value_enum, default_value_t = LevelArg::Should)]
    pub level: LevelArg,
    /// How to tell the verdicts
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Only the cases whose id begins with this; repeat it for more
    #[arg(long = "case", value_name = "ID")]
    pub cases: Vec<String>,
    /// A file of the failures that are expected: succeed when exactly these cases fail
    ///
    /// A line is a plugin, the id of a case, and the reason; a case whose reason begins with "sometimes:" may pass, too. A line that
    /// begins with # is a comment.
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Tell also which cases are not applicable, and why; the other formats always do
    #[arg(long)]
    pub skipped: bool,
    /// How many cases to run at once [default: four for each processor]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// What to do to a plugin, and how to tell it.
#[derive(Debug, Args)]
pub struct Crash {
    /// Which plugins
    #[command(flatten)]
    pub plugins: Plugins,
    /// Only the calls of this operation [default: both]
    #[arg(long, value_enum)]
    pub operation: Option<Operation>,
    /// Only this kind of fault [default: all]
    #[arg(long, value_enum)]
    pub fault: Option<Kind>,
    /// Let calls fail with this error; repeat it for more [default: ENOMEM ENOBUFS EIO ENOSPC EINTR]
    #[arg(long = "errno", value_name = "NAME")]
    pub errnos: Vec<String>,
    /// Only this call after the fault [default: both]
    #[arg(long, value_enum)]
    pub cleanup: Option<Cleanup>,
    /// Try each Nth system call only
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub every: usize,
    /// Leave out so many system calls at the beginning
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: usize,
    /// How many points to try at once [default: four for each processor]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// How to tell what is left
    #[arg(long, value_enum, default_value_t = CrashFormat::Text)]
    pub format: CrashFormat,
}

/// How a report of crashes is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CrashFormat {
    /// For people
    Text,
    /// For programs: everything
    Json,
}

/// [`Level`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    /// What the specification demands
    Must,
    /// And what it recommends
    Should,
    /// And what clients got used to from the reference
    Ref,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: everything
    Json,
    /// For CI systems
    Junit,
    /// A table
    Markdown,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Must => Self::Must,
            LevelArg::Should => Self::Should,
            LevelArg::Ref => Self::Ref,
        }
    }
}
