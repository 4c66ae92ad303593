//! What is measured, and how much of it: the arguments.

use std::path::PathBuf;

use crate::SCENARIOS;

/// A directory of plugins.
#[derive(Debug, PartialEq)]
pub struct Contender {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub dir: PathBuf,
}

/// The arguments.
#[derive(Debug)]
pub struct Setup {
    /// Ours first, and last the one that the others are compared with.
    pub contenders: Vec<Contender>,
    /// What the reference is, where its plugins do not say it themselves.
    pub reference: String,
    /// The program of the kernel floor.
    pub floor: PathBuf,
    /// Where the numbers go.
    pub json: Option<PathBuf>,
    /// Where the charts go.
    pub charts: Option<PathBuf>,
    /// What is measured; empty is all.
    pub scenarios: Vec<String>,
    /// How often each contender has its turn.
    pub rounds: u32,
    /// How many containers are attached one after the other.
    pub containers: u32,
    /// How many attach at the same time.
    pub workers: u32,
    /// How many containers they attach.
    pub crowd: u32,
    /// The most leases that there are.
    pub leases: u32,
    /// How many calls of a kind a round makes at one number of leases, and how many turns each number of others' ports has.
    pub calls: u32,
    /// The most ports that are published.
    pub ports: u32,
    /// The most that a container gets of a contender that starts programs for each.
    pub ports_by_programs: u32,
}

impl Setup {
    /// # Errors
    /// An unknown or incomplete argument, or no contender.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut setup = Self {
            contenders: Vec::new(),
            reference: String::new(),
            floor: PathBuf::new(),
            json: None,
            charts: None,
            scenarios: Vec::new(),
            rounds: 2,
            containers: 100,
            workers: 16,
            crowd: 200,
            leases: 60_000,
            calls: 100,
            ports: 10_000,
            ports_by_programs: 1_000,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let name = arg.clone();
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match arg.as_str() {
                "--reference" => setup.reference = value()?,
                "--floor" => setup.floor = value()?.into(),
                "--json" => setup.json = Some(value()?.into()),
                "--charts" => setup.charts = Some(value()?.into()),
                "--rounds" => setup.rounds = number(&arg, &value()?)?,
                "--containers" => setup.containers = number(&arg, &value()?)?,
                "--workers" => setup.workers = number(&arg, &value()?)?,
                "--crowd" => setup.crowd = number(&arg, &value()?)?,
                "--leases" => setup.leases = number(&arg, &value()?)?,
                "--calls" => setup.calls = number(&arg, &value()?)?,
                "--ports" => setup.ports = number(&arg, &value()?)?,
                "--ports-by-programs" => setup.ports_by_programs = number(&arg, &value()?)?,
                _ => setup.take(&arg)?,
            }
        }
        if setup.contenders.is_empty() { Err("no plugins to measure".into()) } else { Ok(setup) }
    }

    /// A contender or a scenario.
    fn take(&mut self, arg: &str) -> Result<(), String> {
        let known: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        if let Some((name, dir)) = arg.split_once('=') {
            if self.contenders.iter().any(|known| known.name == name) {
                return Err(format!("two directories of plugins are called {name}"));
            }
            self.contenders.push(Contender { name: name.to_owned(), dir: dir.into() });
        } else if known.contains(&arg) {
            self.scenarios.push(arg.to_owned());
        } else {
            return Err(format!("{arg} is neither an option nor one of {}", known.join(", ")));
        }
        Ok(())
    }
}

fn number(option: &str, text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{option} {text}: not a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Setup, String> {
        Setup::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_scenarios_and_contenders_may_be_mixed() {
        let setup = parse("mooring=/a leases --rounds 3 reference=/b size --json out.json").unwrap();
        assert_eq!((setup.rounds, setup.scenarios), (3, vec!["leases".to_owned(), "size".into()]));
        assert_eq!(setup.contenders[1], Contender { name: "reference".into(), dir: "/b".into() });
        assert_eq!(setup.json, Some("out.json".into()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(parse("a=/a --rounds").unwrap_err(), "--rounds needs a value");
        assert_eq!(parse("a=/a --rounds 0").unwrap_err(), "--rounds 0: not a number above 0");
        assert!(parse("a=/a lease").unwrap_err().starts_with("lease is neither an option nor one of size, leases,"));
        assert_eq!(parse("size").unwrap_err(), "no plugins to measure");
        assert_eq!(parse("bin=/a/bin bin=/b/bin").unwrap_err(), "two directories of plugins are called bin");
    }
}
