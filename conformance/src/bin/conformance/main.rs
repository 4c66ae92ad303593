//! `conformance`: tests any CNI plugin, from the outside.
#![allow(clippy::indexing_slicing, reason = "a key that JSON lacks reads as null")]

mod case;
mod cases;
mod catalogue;
mod cli;
mod crash;
mod demand;
mod effect;
mod expected;
mod host_links;
mod host_program;
mod layout;
mod lease;
mod life;
mod neighbour;
mod probe;
mod profile;
mod progress;
mod recorder;
mod report;
mod requirement;
mod stage;
mod stub;
mod subject;
mod suite;
mod told;
mod trial;
mod truth;
mod worker;
mod workers;

use clap::Parser;
use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    match (words.next(), words.next()) {
        (Some(word), Some(script)) if word == stub::COMMAND => return stub::main(Path::new(&script)),
        (Some(word), None) if word == worker::COMMAND => return worker::main(),
        (Some(word), None) if word == crash::worker::COMMAND => return crash::worker::main(),
        _ => {}
    }
    let done = match cli::Cli::parse().command {
        cli::Command::Run(options) => suite::run(&options),
        cli::Command::List { uncovered: false } => Ok(told(catalogue::cases())),
        cli::Command::List { uncovered: true } => Ok(told(catalogue::uncovered())),
        cli::Command::Explain { id } => catalogue::explain(&id).map(told),
        cli::Command::Crash(options) => crash::run(&options),
        cli::Command::Matrix { reports } => report::matrix::read(&reports).map(told),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "conformance: {error}");
        ExitCode::from(2)
    })
}

/// Prints a text; a reader that went away is no failure.
fn told(text: String) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
