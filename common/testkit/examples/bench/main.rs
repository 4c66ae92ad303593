//! What `scripts/bench` runs: plugins of several directories in turn, each on a host of its own.
//!
//! ```text
//! bench --reference TEXT --floor FILE [--json FILE] [--charts DIR] [--containers N] ... NAME=DIR... [SCENARIO]...
//! ```
//!
//! The first directory is ours; the last one is what the others are compared with. A scenario gives series, and they
//! are all that tables, charts, the JSON file and the targets know.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measuring program reports by panics and on stdout"
)]

mod call;
mod chart;
mod containers;
mod data_path;
mod floor;
mod host;
mod json;
mod kinds;
mod leases;
mod ports;
mod published;
mod series;
mod setup;
mod size;
mod table;
mod targets;
mod turns;
mod workers;

use std::{env, error::Error, fs, process::ExitCode};

use series::{Series, Topic};
use setup::Setup;
use targets::Target;

/// The name of Debian's plugins among contenders: the targets are about them.
const REFERENCE: &str = "reference";

/// What can be measured.
type Scenario = fn(&Setup) -> Vec<Series>;

/// All scenarios, in the order in which they are measured.
const SCENARIOS: [(&str, Scenario); 7] = [
    ("size", size::measure),
    ("leases", leases::measure),
    ("containers", containers::measure),
    ("workers", workers::measure),
    ("ports", ports::measure),
    ("data-path", data_path::measure),
    ("plugins", kinds::measure),
];

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), Box<dyn Error>> {
    let setup = Setup::parse(env::args().skip(1))?;
    println!("Linux {}, {} processors; the reference is {}\n", host::kernel(), host::cpus(), setup.reference);
    let mut series = Vec::new();
    for (name, measure) in SCENARIOS {
        if setup.scenarios.is_empty() || setup.scenarios.iter().any(|wanted| wanted == name) {
            let measured = measure(&setup);
            for topic in topics(&measured) {
                println!("{}", table::of(topic, &measured));
            }
            series.extend(measured);
        }
    }
    let targets = targets::of(&setup.contenders[0].name, &series);
    if !targets.is_empty() {
        println!("{}", targets::report(&targets));
    }
    print!("{}", failures(&setup.contenders[0].name, &series));
    write_files(&setup, &series, &targets)
}

fn write_files(setup: &Setup, series: &[Series], targets: &[Target]) -> Result<(), Box<dyn Error>> {
    if let Some(dir) = &setup.charts {
        fs::create_dir_all(dir)?;
        topics(series).iter().try_for_each(|topic| chart::draw(topic, series, dir))?;
    }
    if let Some(file) = &setup.json {
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        let document = json::document(setup, series, targets);
        fs::write(file, format!("{document:#}\n"))?;
    }
    Ok(())
}

/// Each topic once.
fn topics(series: &[Series]) -> Vec<&'static Topic> {
    let mut topics: Vec<&'static Topic> = Vec::new();
    for one in series {
        if !topics.iter().any(|topic| topic.name == one.topic.name) {
            topics.push(one.topic);
        }
    }
    topics
}

/// Calls that failed. One of ours is a defect.
fn failures(ours: &str, series: &[Series]) -> String {
    let line = |one: &Series| {
        let whose = if one.contender.split(',').next() == Some(ours) { "!!! A DEFECT OF OURS: " } else { "" };
        let (contender, call, topic) = (&one.contender, &one.call, one.topic.name);
        let first = one.failures.first()?;
        Some(format!("{whose}{contender}, {topic}: {call} failed {} times, first with {first}\n", one.failures.len()))
    };
    series.iter().filter_map(line).collect()
}
