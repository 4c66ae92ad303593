//! The skeleton of an executable: from the environment and standard input to one JSON document and an exit status.
//!
//! Order and wording of the checks are those of the Go skeleton, which runtimes know; what differs is said where it does.

use std::{
    fs::{self, File},
    io::{self, IsTerminal, Read, Write},
    os::{fd::AsFd, unix::fs::MetadataExt},
    panic,
    path::Path,
    process::{self, ExitCode},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    Add, Check, Code, Command, Del, Delegate, Error, Gc, Network, Plugin, Result, Status, Undo, Version,
    conf::Envelope, env::Env, json, wire,
};

/// That of every plugin: the one of musl, which plugins are linked with, is slow for processes that live for a millisecond.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// More than most requests have, in bytes: read by one call.
const USUAL_REQUEST: usize = 8 * 1024;

/// A VERSION call may leave its standard input open without ever writing to it.
const VERSION_STDIN_WAIT: Duration = Duration::from_millis(200);

/// Runs the plugin as a process.
pub fn main<P: Plugin>() -> ExitCode {
    if std::env::var_os("MOORING_LOG").is_some() {
        env_logger::Builder::from_env("MOORING_LOG").init();
    }
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    // Unbuffered: the result is one write, and a failure of it is seen.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let Ok(mut stdout) = stdout else { return ExitCode::FAILURE };
    let undo = Undo::default();
    fail_on_panic(P::NAME, undo.clone());
    run::<P>(&variable, &mut io::stdin(), &mut stdout, undo)
}

/// A panic in whatever thread fails the call like any other error: what was done is undone and one error is printed.
/// Release builds do not unwind, so this happens in the hook, which does not return.
fn fail_on_panic(name: &'static str, undo: Undo) {
    panic::set_hook(Box::new(move |panic| {
        let error = Error::new(Code::Internal, format!("{name} panicked; this is a defect")).details(panic.to_string());
        undo.clone().unwind();
        print_error(&mut io::stdout(), &error);
        #[expect(clippy::exit, reason = "nothing else ends the process with one error and its status")]
        process::exit(1);
    }));
}

fn run<P: Plugin>(
    variable: &dyn Fn(&str) -> Option<String>,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
    mut undo: Undo,
) -> ExitCode {
    let env = Env::read(variable);
    let outcome = match env.command.as_deref() {
        None => about::<P>(),
        Some("VERSION") => print_version::<P>(stdout),
        Some(command) => serve::<P>(command, &env, stdin, stdout, &mut undo),
    };
    let Err(error) = outcome else {
        undo.forget();
        return ExitCode::SUCCESS;
    };
    undo.unwind();
    print_error(stdout, &error);
    ExitCode::FAILURE
}

fn print_error(stdout: &mut dyn Write, error: &Error) {
    if let Err(lost) = wire::write(stdout, &error_object(error)) {
        log::error!("write error {error}: {lost}");
    }
}

fn error_object(error: &Error) -> serde_json::Value {
    let msg = one_line(&error.msg);
    let mut object = json!({"cniVersion": Version::NEWEST.as_str(), "code": error.code.number(), "msg": msg});
    if let (false, Some(fields)) = (error.details.is_empty(), object.as_object_mut()) {
        fields.insert("details".into(), error.details.clone().into());
    }
    object
}

/// A message stays one line whatever it quotes: a configuration, a variable, a delegate's error.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Without a command somebody just wants to know what this is. nerdctl reads the first line.
fn about<P: Plugin>() -> Result<()> {
    let versions: Vec<&str> = P::VERSIONS.iter().map(|version| version.as_str()).collect();
    let text = format!(
        "CNI {} plugin v{}\nCNI protocol versions supported: {}\n",
        P::NAME,
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    );
    io::stderr().write_all(text.as_bytes()).map_err(|error| Error::new(Code::Io, format!("write about text: {error}")))
}

/// VERSION echoes the version of the request, if there is one that we know (the Go skeleton reads no request and always
/// prints its newest).
fn print_version<P: Plugin>(stdout: &mut dyn Write) -> Result<()> {
    let asked = version_request().filter(|version| P::VERSIONS.contains(version)).unwrap_or(Version::NEWEST);
    let supported: Vec<&str> = P::VERSIONS.iter().map(|version| version.as_str()).collect();
    let line = format!("{}\n", json!({"cniVersion": asked.as_str(), "supportedVersions": supported}));
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).map_err(unwritten)
}

fn version_request() -> Option<Version> {
    if io::stdin().is_terminal() {
        return None;
    }
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = io::stdin().take(1 << 20).read_to_end(&mut bytes);
        read.ok().and_then(|_| sender.send(bytes).ok())
    });
    let bytes = received.recv_timeout(VERSION_STDIN_WAIT).ok()?;
    let document: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    Version::parse(json::lookup(&document, "cniVersion")?.as_str()?)
}

fn serve<P: Plugin>(
    command: &str,
    env: &Env,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
    undo: &mut Undo,
) -> Result<()> {
    let known = Command::parse(command);
    known.map_or(Ok(()), |command| env.check(command))?;
    let mut bytes = Vec::with_capacity(USUAL_REQUEST);
    stdin
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(Code::Io, format!("error reading from stdin: {error}")))?;
    let envelope = Envelope::parse(bytes)?;
    let command =
        known.ok_or_else(|| Error::new(Code::InvalidEnvironment, format!("unknown CNI_COMMAND: {command}")))?;
    let version = envelope.version(command, P::VERSIONS)?;
    match command {
        Command::Add => add::<P>(env, &envelope, version, stdout, undo),
        Command::Del => del::<P>(env, &envelope, version),
        Command::Check => check::<P>(env, &envelope, version),
        Command::Gc => gc::<P>(env, &envelope, version),
        Command::Status => status::<P>(env, &envelope, version),
        Command::Version => Ok(()),
    }
}

/// What can be refused is refused before the plugin is asked; the result counts only once it is written.
fn add<P: Plugin>(
    env: &Env,
    envelope: &Envelope,
    version: Version,
    stdout: &mut dyn Write,
    undo: &mut Undo,
) -> Result<()> {
    let network = network::<P>(env, envelope, version)?;
    if P::HAS_IPAM {
        wire::check_expressible(network.ipam.is_some(), version)?;
    } else if let Some(prev) = &network.prev_result {
        wire::check_expressible(!prev.ips.is_empty(), version)?;
    }
    let netns = env.netns().unwrap_or_default();
    if is_own_netns(&netns) && !env.may_be_own_netns() {
        // The Go skeleton refuses this too, but only after it has done everything.
        return Err(Error::new(Code::SameNetns, "plugin's netns and netns from CNI_NETNS should not be the same")
            .details(netns.display().to_string()));
    }
    let request = Add { network, attachment: env.attachment(), netns, args: env.args() };
    let success = P::add(&request, undo)?;
    wire::write(stdout, &wire::encode(&success, version)?).map_err(unwritten)
}

/// The delegate's DEL comes first (it may need the interface) and neither failure keeps the other from being tried.
fn del<P: Plugin>(env: &Env, envelope: &Envelope, version: Version) -> Result<()> {
    let mut network = network_of_del::<P>(env, envelope, version)?;
    // No ADD can have come to its end that way: nothing is owed.
    network.ipam.take_if(|delegate| is_itself::<P>(delegate));
    // A container with the host's own netns has nothing of ours inside; what it has on the host still goes.
    let netns = env.netns().filter(|netns| env.may_be_own_netns() || !is_own_netns(netns));
    let delegate = network.ipam.clone();
    let request = Del { network, attachment: env.attachment(), netns };
    let released = delegate.map_or(Ok(()), |delegate| delegate.del());
    Error::collect([released, P::del(&request)])
}

fn check<P: Plugin>(env: &Env, envelope: &Envelope, version: Version) -> Result<()> {
    let network = network::<P>(env, envelope, version)?;
    let delegate = network.ipam.clone();
    let request =
        Check { network, attachment: env.attachment(), netns: env.netns().unwrap_or_default(), args: env.args() };
    delegate.map_or(Ok(()), |delegate| delegate.forward(Command::Check))?;
    P::check(&request)
}

/// Without a list of what stays nothing is removed: an absent key is a runtime that does not know.
fn gc<P: Plugin>(env: &Env, envelope: &Envelope, version: Version) -> Result<()> {
    let network = network::<P>(env, envelope, version)?;
    let keep = envelope.valid_attachments()?;
    let collected = network.ipam.as_ref().map_or(Ok(()), |delegate| delegate.forward(Command::Gc));
    let own = keep.map_or(Ok(()), |keep| P::gc(&Gc { network, keep }));
    Error::collect([collected, own])
}

fn status<P: Plugin>(env: &Env, envelope: &Envelope, version: Version) -> Result<()> {
    let network = network::<P>(env, envelope, version)?;
    network.ipam.as_ref().map_or(Ok(()), |delegate| delegate.forward(Command::Status))?;
    P::status(&Status { network })
}

fn network<P: Plugin>(env: &Env, envelope: &Envelope, version: Version) -> Result<Network<P::Conf>> {
    envelope.refuse_duplicates(P::WITHOUT_DUPLICATES)?;
    let prev_result = envelope.prev_result(version)?;
    let mut network = network_of_del::<P>(env, envelope, version)?;
    network.prev_result = prev_result;
    network.gateway_priority = if P::HAS_IPAM { envelope.gateway_priority()? } else { None };
    match network.ipam.as_ref().filter(|delegate| is_itself::<P>(delegate)) {
        Some(delegate) => Err(Error::invalid(format!(
            "\"ipam.type\" \"{}\": it must be another plugin, this one would call itself without end",
            delegate.plugin()
        ))),
        None => Ok(network),
    }
}

/// Whether the delegate is this plugin: it would find itself named in the same request.
fn is_itself<P: Plugin>(delegate: &Delegate) -> bool {
    delegate.plugin() == P::NAME
}

/// A DEL has to succeed whatever `prevResult` holds.
fn network_of_del<P: Plugin>(env: &Env, envelope: &Envelope, version: Version) -> Result<Network<P::Conf>> {
    let conf = json::decode(&envelope.document)
        .map_err(|misfit| Error::new(Code::Decode, format!("decode network configuration: {misfit}")))?;
    let ipam = if P::HAS_IPAM { envelope.ipam(env.path(), version)? } else { None };
    let prev_result = envelope.prev_result(version).unwrap_or_else(|error| {
        log::warn!("{error}; going on without");
        None
    });
    Ok(Network { name: envelope.name.clone(), version, conf, ipam, gateway_priority: None, prev_result })
}

/// Whether `path` is this process's network namespace. One that cannot be looked at is not.
fn is_own_netns(path: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let own = identity(Path::new("/proc/self/ns/net"));
    own.is_some() && own == identity(path)
}

fn unwritten(error: io::Error) -> Error {
    Error::new(Code::Io, format!("write result: {error}"))
}

#[cfg(test)]
mod tests;
