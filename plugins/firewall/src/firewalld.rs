//! firewalld: the sources of its zones, at run time only. What a daemon has been given goes with it.

use std::{
    io,
    net::IpAddr,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use attach::verify::failed;
use cni::{Code, Error, Result};
use ipnetwork::IpNetwork;

use crate::bus::{Answer, Bus, Method, socket};

const NAME: &str = "org.fedoraproject.FirewallD1";
/// For all calls together: a daemon that hangs must not hang a plugin.
const LIMIT: Duration = Duration::from_secs(10);

/// An address that is a source of a zone.
pub type Source = (String, IpAddr);

/// Whether the daemon runs. Without a system bus nobody is asked.
pub fn is_running() -> Result<bool> {
    if socket().is_none() {
        return Ok(false);
    }
    within("find firewalld", || Ok(Daemon::connect()?.is_some()))
}

/// Fails unless it runs.
pub fn require() -> Result<()> {
    if is_running()? { Ok(()) } else { Err(absent("find firewalld")) }
}

/// Adds sources. One that is in the zone already stays.
pub fn add(sources: Vec<Source>) -> Result<()> {
    let doing = "add sources to firewalld";
    within(doing, move || {
        let mut daemon = Daemon::connect()?.ok_or_else(|| absent(doing))?;
        for (zone, address) in &sources {
            match daemon.call("addSource", zone, *address)? {
                Answer::Refusal(_, text) if text.starts_with("ZONE_ALREADY_SET") => {}
                Answer::Refusal(name, text) => {
                    let text = if text.is_empty() { name } else { text };
                    let msg = format!("add source {address} to zone \"{zone}\" of firewalld: {text}");
                    let in_use = text.starts_with("ZONE_CONFLICT");
                    return Err(Error::new(if in_use { Code::InUse } else { Code::Io }, msg));
                }
                _ => {}
            }
        }
        Ok(())
    })
}

/// Removes sources. Those that are not there are passed over, and a daemon that does not run has none.
pub fn remove(sources: Vec<Source>) -> Result<()> {
    if sources.is_empty() || socket().is_none() {
        return Ok(());
    }
    within("remove sources from firewalld", move || {
        let Some(mut daemon) = Daemon::connect()? else { return Ok(()) };
        for (zone, address) in &sources {
            if let Answer::Refusal(name, text) = daemon.call("removeSource", zone, *address)? {
                log::info!("remove source {address} from zone \"{zone}\": {name}: {text}");
            }
        }
        Ok(())
    })
}

/// Fails unless all sources are in their zones.
pub fn check(sources: Vec<Source>) -> Result<()> {
    let doing = "check firewall in firewalld";
    within(doing, move || {
        let mut daemon = Daemon::connect()?.ok_or_else(|| failed(format!("{doing}: it does not run")))?;
        for (zone, address) in &sources {
            if daemon.call("querySource", zone, *address)? != Answer::Number(1) {
                return Err(failed(format!("{doing}: zone \"{zone}\" lacks source {address}")));
            }
        }
        Ok(())
    })
}

fn absent(doing: &str) -> Error {
    Error::new(Code::Io, format!("{doing}: it does not run"))
        .details(format!("nobody has the name {NAME} on the system bus"))
}

struct Daemon(Bus);

impl Daemon {
    /// None if it does not run, or no bus does.
    fn connect() -> Result<Option<Self>> {
        let Some(socket) = socket() else { return Ok(None) };
        let mut bus = match Bus::connect(&socket) {
            // The socket of a bus that has ended.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            connected => connected.map_err(|error| io_error("connect to the system bus", &error))?,
        };
        let runs = bus.has_owner(NAME).map_err(|error| io_error("find firewalld on the system bus", &error))?;
        Ok(runs.then_some(Self(bus)))
    }

    fn call(&mut self, member: &str, zone: &str, address: IpAddr) -> Result<Answer> {
        let method = Method {
            destination: NAME,
            path: "/org/fedoraproject/FirewallD1",
            interface: "org.fedoraproject.FirewallD1.zone",
            member,
        };
        let answer = self.0.call(method, &[zone, &IpNetwork::from(address).to_string()]);
        answer.map_err(|error| io_error(&format!("call {member} of firewalld"), &error))
    }
}

fn io_error(doing: &str, error: &io::Error) -> Error {
    Error::new(Code::Io, format!("{doing}: {error}"))
}

/// Waits for `work`, which may never end, no longer than [`LIMIT`].
fn within<T: Send + 'static>(doing: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, done) = channel();
    thread::spawn(move || sender.send(work()));
    done.recv_timeout(LIMIT).unwrap_or_else(|error| {
        let why = match error {
            RecvTimeoutError::Timeout => format!("no answer within {LIMIT:?}"),
            RecvTimeoutError::Disconnected => "the call ended without an answer".to_owned(),
        };
        Err(Error::new(Code::TryAgain, format!("{doing}: {why}")))
    })
}
