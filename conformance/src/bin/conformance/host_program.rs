//! What has to run on the host, for plugins that ask somebody: `hostProgram` in a configuration, a shell script.
//!
//! It begins before the first container and says `ready` on a line of its own. What it starts in the background ends with the stage: its
//! standard input ends then, and so does it. `$PLUGINS` is the directory of the plugin.
//!
//! `containerBridge` beside it names a bridge that the script makes: each container has an interface there before it is attached.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;
use testkit::{Sandbox, TestNs};

/// The keys in a configuration. They are the suite's, and no plugin gets to see them.
pub const KEYS: [&str; 2] = ["hostProgram", "containerBridge"];

/// What ends with the script, however that ends: all of its process group.
const FRAME: &str = "trap 'kill -KILL 0' EXIT";

/// A script that has said that it is ready.
#[derive(Debug)]
pub struct HostProgram {
    child: Child,
    stdin: Option<ChildStdin>,
}

/// The script of a configuration.
pub fn script(config: &Value) -> Option<&str> {
    config["hostProgram"].as_str()
}

/// The bridge that containers have an interface on.
pub fn bridge(config: &Value) -> Option<&str> {
    config["containerBridge"].as_str()
}

impl HostProgram {
    /// Runs a script on the calling thread's host until it is ready.
    #[expect(clippy::disallowed_methods, reason = "what the plugin under test asks")]
    pub fn start(script: &str, plugins: &Path) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-ec", &format!("{FRAME}\n{script}\necho ready; read -r _")]).env("PLUGINS", plugins);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let program = Self { child, stdin };
        let lines = stdout.map(|stdout| BufReader::new(stdout).lines());
        let is_ready = lines.into_iter().flatten().map_while(Result::ok).any(|line| line == "ready");
        if is_ready { Ok(program) } else { Err(io::Error::other("hostProgram has ended before it was ready")) }
    }
}

impl Drop for HostProgram {
    fn drop(&mut self) {
        self.stdin.take();
        let _ = self.child.wait();
    }
}

/// What the host's ends of the containers' links are called, behind which there is a number.
pub const PORT: &str = "cport";

/// Gives a container an interface on the bridge.
pub fn connect(sandbox: &Sandbox, bridge: &str, ns: &TestNs, ifname: &str, number: u64) {
    sandbox.sh(&format!(
        "ip link add {PORT}{number} type veth peer name '{ifname}' netns {netns}
         ip link set {PORT}{number} up master {bridge}; ip -n {netns} link set '{ifname}' up",
        netns = ns.name()
    ));
}
