//! `cnitool`: attaches a network namespace to a CNI network by hand, and detaches it again.

mod cli;
mod commands;
mod listing;
mod output;
mod ports;
mod table;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}
