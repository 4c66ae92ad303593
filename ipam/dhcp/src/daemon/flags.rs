//! The daemon's command line: the reference's flags, read as Go does (package flag).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{conf::SOCKET, release::under, schedule::Patience};

/// What may be said.
pub const USAGE: &str = "usage: dhcp daemon [FLAG]...
  -pidfile PATH         writes the process's number there; absolute
  -hostprefix PATH      where the host's files begin, for a daemon in a container
  -socketpath PATH      where it listens (/run/cni/dhcp.sock); systemd may hand a socket over instead
  -timeout TIME         how long an answer to one request is awaited (10s)
  -resendmax TIME       the longest wait until a message is sent again (62s)
  -resendtimeout TIME   how long an ADD tries in all (208s)
  -broadcast            asks servers to answer by broadcast
A TIME is a number with its unit: 500ms, 1m30s. -FLAG=VALUE and --FLAG will do, too.
";

/// What has been said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `-hostprefix`.
    pub prefix: PathBuf,
    /// `-socketpath`, unless it is the usual one.
    pub socket: Option<PathBuf>,
    /// `-timeout`, `-resendmax`, `-resendtimeout`.
    pub patience: Patience,
    /// `-broadcast`.
    pub broadcast: bool,
}

/// Why the command line is not understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Misuse {
    /// Somebody asked for help.
    Help,
    /// It is wrong.
    Wrong(String),
}

impl Flags {
    /// Reads the command line behind `daemon`.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, Misuse> {
        let mut flags = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix('-').map(|flag| flag.strip_prefix('-').unwrap_or(flag)) else {
                return Err(Misuse::Wrong(format!("{argument} is no flag")));
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            match name {
                "h" | "help" => return Err(Misuse::Help),
                "broadcast" => flags.broadcast = boolean(value.as_deref().unwrap_or("true"))?,
                "pidfile" | "hostprefix" | "socketpath" | "timeout" | "resendmax" | "resendtimeout" => {
                    let value = value.or_else(|| arguments.next());
                    let value = value.ok_or_else(|| Misuse::Wrong(format!("-{name} needs a value")))?;
                    flags.set(name, &value)?;
                }
                _ => return Err(Misuse::Wrong(format!("{argument} is not known"))),
            }
        }
        Ok(flags)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Misuse> {
        let absolute = || {
            let path = Some(PathBuf::from(value)).filter(|_| !value.is_empty());
            match path.filter(|path| !path.is_absolute()) {
                Some(_) => Err(Misuse::Wrong(format!("-{name}: {value} is not an absolute path"))),
                None => Ok(Some(PathBuf::from(value)).filter(|_| !value.is_empty())),
            }
        };
        let time = || {
            duration(value).ok_or_else(|| Misuse::Wrong(format!("-{name}: {value} is no time above 0, such as 1m30s")))
        };
        match name {
            "pidfile" => self.pidfile = absolute()?,
            "hostprefix" => self.prefix = value.into(),
            "socketpath" => self.socket = absolute()?,
            "timeout" => self.patience.answer = time()?,
            "resendmax" => self.patience.resend = time()?,
            _ => self.patience.whole = time()?,
        }
        Ok(())
    }

    /// Where it listens, unless a socket is handed over.
    pub fn socket(&self) -> PathBuf {
        under(&self.prefix, self.socket.as_deref().unwrap_or(Path::new(SOCKET)))
    }
}

fn boolean(value: &str) -> Result<bool, Misuse> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Misuse::Wrong(format!("-broadcast: {value} is neither true nor false"))),
    }
}

/// `1h`, `1m30s`, `1.5s`, `500ms`: parts with a unit each (Go: `time.ParseDuration`).
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut whole = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at_checked(digits)?;
        let letters = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, next) = behind.split_at_checked(letters)?;
        let nanoseconds = match unit {
            "h" => 3_600_000_000_000.0,
            "m" => 60_000_000_000.0,
            "s" => 1_000_000_000.0,
            "ms" => 1_000_000.0,
            "us" | "µs" => 1000.0,
            "ns" => 1.0,
            _ => return None,
        };
        let part = number.parse::<f64>().ok()? * nanoseconds / 1_000_000_000.0;
        whole = whole.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = next;
    }
    (!whole.is_zero()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, Misuse> {
        Flags::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read_as_go_does() {
        assert_eq!(parse("").unwrap(), Flags::default());
        let flags = parse(
            "-pidfile /run/x.pid --hostprefix=/host -socketpath /run/y.sock -timeout 500ms -resendmax=1m -resendtimeout 1h2m3.5s -broadcast",
        )
        .unwrap();
        assert_eq!(flags.pidfile, Some("/run/x.pid".into()));
        assert_eq!(flags.socket(), PathBuf::from("/host/run/y.sock"));
        let Patience { answer, resend, whole } = flags.patience;
        assert_eq!((answer.as_millis(), resend.as_secs(), whole.as_millis()), (500, 60, 3_723_500));
        assert!(flags.broadcast && !parse("-broadcast=false").unwrap().broadcast);
        assert_eq!(Flags::default().socket(), PathBuf::from("/run/cni/dhcp.sock"));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert_eq!(parse("-h"), Err(Misuse::Help));
        for (line, expected) in [
            ("-x", "-x is not known"),
            ("daemon", "daemon is no flag"),
            ("-timeout", "-timeout needs a value"),
            ("-timeout 5", "-timeout: 5 is no time above 0"),
            ("-timeout 0s", "-timeout: 0s is no time above 0"),
            ("-timeout 5d", "-timeout: 5d is no time"),
            ("-pidfile x", "-pidfile: x is not an absolute path"),
            ("-broadcast=maybe", "-broadcast: maybe is neither"),
        ] {
            let Err(Misuse::Wrong(why)) = parse(line) else { panic!("{line}") };
            assert!(why.starts_with(expected), "{why}");
        }
    }
}
