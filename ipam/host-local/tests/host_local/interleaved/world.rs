//! What a history happens to: a directory of leases, its index, and copies of both.

use std::{
    fs::{self, File},
    net::IpAddr,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use proptest::sample::Index;
use serde_json::{Value, json};

use super::{
    Command, Container, Damage, Step, Whose,
    model::{Answer, Leases, Model},
};
use crate::host::{Host, Output, finish, ours};

/// A page of the index's file.
const PAGE: usize = 4096;

/// What went otherwise than the model says.
type Verdict = Result<(), String>;

/// A host, and what should be there.
pub struct World {
    host: Host,
    reference: PathBuf,
    conf: Value,
    model: Model,
    /// An index from before.
    older: Vec<u8>,
}

impl World {
    pub fn new(reference: &Path, dir: Option<&Path>, gateway: &str, subnet: &str, end: &str) -> Self {
        let host = dir.map_or_else(Host::new, Host::within);
        let mut conf = host.conf(&json!({"subnet": subnet, "rangeEnd": end, "gateway": gateway}));
        conf["cniVersion"] = "1.0.0".into();
        let mut other = conf.clone();
        other["name"] = "other".into();
        host.add("c1", &other);
        Self { host, reference: reference.to_owned(), conf, model: Model::new(subnet, end), older: Vec::new() }
    }

    /// Makes leases out of the range.
    pub fn fill(&mut self, crowd: usize) {
        for n in 0..crowd {
            let (ip, content) = (format!("10.200.{}.{}", n / 250, n % 250), format!("crowd{n}\r\neth0"));
            self.host.put(&ip, &content);
            self.model.leases.insert(ip, content);
        }
    }

    /// One step, and a look at what has become of the leases.
    pub fn go(&mut self, step: &Step) -> Verdict {
        match step {
            Step::Call(whose, command, container) => self.call(*whose, *command, *container, None)?,
            Step::Killed(whose, command, container, after) => {
                self.call(*whose, *command, *container, Some(Duration::from_micros(*after)))?;
            }
            Step::Gc(below) => self.gc(*below)?,
            Step::Damage(damage) => self.damage(damage),
            Step::KeepIndex => self.older = fs::read(self.index()).unwrap_or_default(),
            _ => self.by_hand(step),
        }
        let leases = leases(&self.host);
        if leases == self.model.leases { Ok(()) } else { Err(difference(&self.model.leases, &leases)) }
    }

    fn call(&mut self, whose: Whose, command: Command, container: Container, kill: Option<Duration>) -> Verdict {
        let id = format!("c{container}");
        let owner = content(container);
        let before = self.model.leases.clone();
        let last = fs::read_to_string(self.host.path("last_reserved_ip.0")).ok().and_then(|text| text.parse().ok());
        // The reference's CHECK is content with any file, be it out of the range or on its way to its name.
        let has = match whose {
            Whose::Ours => self.model.has(&owner),
            Whose::Reference => self.host.leases().values().any(|content| *content == owner),
        };
        let output = self.run(whose, command, &id, kill);
        let answer = match command {
            Command::Add => Some(self.model.add(whose, &owner, last)),
            Command::Del => {
                self.model.del(whose, &owner);
                None
            }
            Command::Check => None,
        };
        // Killed before its end, and be it with the result written.
        if kill.is_some() && !output.success && !output.stdout.contains("\"code\"") {
            let after = leases(&self.host);
            let wrong = self.model.wrong_after_kill(&before, &after, whose);
            self.model.leases = after;
            return wrong.map_or(Ok(()), Err);
        }
        let told = told(whose, command, &output);
        let expected = match command {
            Command::Add => answer.map(|answer| shown(whose, &answer)).unwrap_or_default(),
            Command::Del => "done".to_owned(),
            Command::Check if has => "done".to_owned(),
            Command::Check => if whose == Whose::Ours { "error 103" } else { "error" }.to_owned(),
        };
        if told == expected { Ok(()) } else { Err(format!("told {told}, expected {expected}")) }
    }

    fn run(&self, whose: Whose, command: Command, id: &str, kill: Option<Duration>) -> Output {
        let binary = if whose == Whose::Ours { ours() } else { self.reference.clone() };
        let command = match command {
            Command::Add => "ADD",
            Command::Del => "DEL",
            Command::Check => "CHECK",
        };
        let call = self.host.call_through(process::Command::new(binary), command, id, &self.conf);
        let Some(after) = kill else { return call.run() };
        let mut child = call.start();
        thread::sleep(after);
        child.kill().unwrap();
        finish(child)
    }

    fn gc(&mut self, below: u8) -> Verdict {
        let mut conf = self.conf.clone();
        conf["cniVersion"] = "1.1.0".into();
        let valid = (0..below).map(|n| json!({"containerID": format!("c{n}"), "ifname": "eth0"}));
        conf["cni.dev/valid-attachments"] = valid.collect();
        let output = self.host.call("GC", "", &conf).run();
        let keep: Vec<String> = (0..below).map(content).collect();
        if self.host.dir().exists() {
            self.model.gc(&keep);
        }
        if output.success { Ok(()) } else { Err(output.stdout) }
    }

    fn by_hand(&mut self, step: &Step) {
        let places = self.model.places();
        let taken: Vec<String> = self.model.leases.keys().cloned().collect();
        let place = |at: &Index| at.get(&places).clone();
        let some = |at: &Index| if taken.is_empty() { None } else { Some(at.get(&taken).clone()) };
        match step {
            Step::Remove(at) => {
                let _ = some(at).map(|name| fs::remove_file(self.host.path(&name)));
            }
            Step::Rename(from, to) => {
                let _ = some(from).map(|name| fs::rename(self.host.path(&name), self.host.path(&place(to))));
            }
            Step::Write(at, container) if !taken.contains(&place(at)) => {
                self.host.put(&place(at), &content(*container));
            }
            Step::Empty(at) if !taken.contains(&place(at)) => self.host.put(&place(at), ""),
            Step::RemoveAll => {
                let _ = fs::remove_dir_all(self.host.dir());
            }
            Step::Backup => copy(&self.networks(), &self.backup()),
            Step::Restore if self.backup().exists() => copy(&self.backup(), &self.networks()),
            _ => {}
        }
        self.model.leases = leases(&self.host);
    }

    fn damage(&self, damage: &Damage) {
        let Ok(good) = fs::read(self.index()) else { return };
        let file = File::options().write(true).open(self.index()).unwrap();
        match damage {
            _ if good.is_empty() => {}
            Damage::Remove => fs::remove_file(self.index()).unwrap(),
            Damage::Truncate(to) => file.set_len(to.index(good.len()) as u64).unwrap(),
            Damage::Bytes(bytes) => {
                for (at, byte) in bytes {
                    file.write_all_at(&[*byte], at.index(good.len()) as u64).unwrap();
                }
            }
            Damage::Zeros(page) => {
                let page = page.index(good.len().div_ceil(PAGE)) * PAGE;
                file.write_all_at(&[0; PAGE], page as u64).unwrap();
            }
            Damage::Older => fs::write(self.index(), &self.older).unwrap(),
            Damage::OfAnotherNetwork => drop(fs::copy(self.index().with_file_name(".other.index"), self.index())),
        }
    }

    fn networks(&self) -> PathBuf {
        self.host.dir().parent().unwrap().to_owned()
    }

    fn backup(&self) -> PathBuf {
        self.networks().with_file_name("backup")
    }

    fn index(&self) -> PathBuf {
        self.host.dir().with_file_name(".net.index")
    }
}

/// Copies a directory over another one, with all times.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let copied = process::Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success());
}

fn content(container: Container) -> String {
    format!("c{container}\r\neth0")
}

/// The files that are leases.
fn leases(host: &Host) -> Leases {
    host.leases().into_iter().filter(|(name, _)| name.parse::<IpAddr>().is_ok()).collect()
}

/// What a call has answered: the address, that it is done, or the error, with ours' code.
fn told(whose: Whose, command: Command, output: &Output) -> String {
    match (output.success, command) {
        (true, Command::Add) => output.addresses().concat().split('/').next().unwrap().to_owned(),
        (true, _) => "done".to_owned(),
        (false, _) if whose == Whose::Reference => "error".to_owned(),
        (false, _) => format!("error {}", output.error().0),
    }
}

fn shown(whose: Whose, answer: &Answer) -> String {
    match answer {
        Answer::Given(ip) => ip.clone(),
        _ if whose == Whose::Reference => "error".to_owned(),
        Answer::Duplicate => "error 101".to_owned(),
        Answer::Full => "error 102".to_owned(),
    }
}

fn difference(expected: &Leases, found: &Leases) -> String {
    let lost: Vec<_> = expected.iter().filter(|(name, content)| found.get(*name) != Some(content)).collect();
    let new: Vec<_> = found.iter().filter(|(name, content)| expected.get(*name) != Some(content)).collect();
    format!("leases missing: {lost:?}, not expected: {new:?}")
}
