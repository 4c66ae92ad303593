//! Programs that are started, and how long they take.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use testkit::{Chain, Plugin};

/// How long something took, and what came of it: what it gave, or why it failed.
pub type Timed<T> = (Duration, Result<T, String>);

/// From the start of the process to its end, and what it printed. Without the time limits and threads that a test's calls
/// have.
pub fn timed(call: &Plugin) -> Timed<Vec<u8>> {
    let mut command = command(call.program());
    command.env_clear().envs(call.environment()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|e| panic!("start {}: {e}", call.program().display()));
    // A process may end without reading its input: that shows in its status.
    let _ = child.stdin.take().expect("a pipe").write_all(call.input());
    let output = child.wait_with_output().expect("a process");
    let took = start.elapsed();
    if output.status.success() {
        return (took, Ok(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    (took, Err(format!("{}: {}: {said}", call.program().display(), output.status)))
}

/// ADD of every plugin in turn, up to the first that fails: the time of all, and the last result.
pub fn attach(chain: &Chain) -> Timed<Value> {
    let (mut sum, mut result) = (Duration::ZERO, Value::Null);
    for plugin in chain.plugins() {
        let call = if result.is_null() { plugin.call("ADD") } else { plugin.with_prev(&result).call("ADD") };
        let (took, printed) = timed(&call);
        sum += took;
        match printed.and_then(|printed| serde_json::from_slice(&printed).map_err(|e| format!("its result: {e}"))) {
            Ok(printed) => result = printed,
            Err(said) => return (sum, Err(said)),
        }
    }
    (sum, Ok(result))
}

/// DEL of every plugin, the last one first: the time of all, and the first failure.
pub fn detach(chain: &Chain, result: &Value) -> Timed<()> {
    let calls = chain.plugins().iter().rev().map(|plugin| timed(&plugin.with_prev(result).call("DEL")));
    calls.fold((Duration::ZERO, Ok(())), |(sum, outcome), (took, printed)| (sum + took, outcome.and(printed.map(drop))))
}

/// What a program prints on standard output, which has to succeed.
pub fn output(program: &Path, args: impl IntoIterator<Item = impl AsRef<Path>>) -> String {
    let mut command = command(program);
    command.args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|e| panic!("start {}: {e}", program.display()));
    assert!(output.status.success(), "{}: {}", program.display(), output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a plugin says of itself on standard error when it is told nothing.
pub fn about(program: &Path) -> String {
    let output = command(program).env_clear().stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("start {}: {e}", program.display()));
    String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "what is measured")]
fn command(program: &Path) -> Command {
    Command::new(program)
}
