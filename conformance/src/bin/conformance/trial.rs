//! One call with one thing changed in it: is the change refused, or is it of no consequence?
//!
//! With a configuration that works the unchanged call succeeds, so that whatever happens is due to the change. Without one
//! there is only a bare configuration, which the plugin may refuse for reasons of its own, and before it looks at what was
//! changed. So a call that does not end as expected is compared with the unchanged one.

use crate::case::{Stop, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use serde_json::{Value, json};
use testkit::{Attachment, Output, Plugin};

/// The commands but VERSION, in the order of an attachment's life, and the first version of the specification that has each.
const COMMANDS: [(&str, &str); 5] =
    [("ADD", "0.1.0"), ("CHECK", "0.4.0"), ("STATUS", "1.1.0"), ("GC", "1.1.0"), ("DEL", "0.1.0")];

/// The first version of the specification that has error codes 4 to 7.
const CODES_4_TO_7: &str = "1.0.0";

/// A call to be changed.
#[derive(Debug)]
pub struct Trial<'a> {
    stage: &'a Stage,
    /// `CNI_COMMAND`.
    pub command: &'static str,
    /// The attachment; its configuration is complete for the command.
    pub at: Attachment,
}

/// A change that was refused.
#[derive(Debug)]
pub struct Refused<'a> {
    trial: &'a Trial<'a>,
    /// The call.
    pub output: Output,
    /// The error object.
    pub error: Value,
}

impl<'a> Trial<'a> {
    /// A call for a new container. Before CHECK there is an ADD, if the configuration works.
    pub fn of(stage: &'a Stage, command: &'static str) -> Result<Self, Stop> {
        if let Some((_, since)) = COMMANDS.iter().find(|(name, since)| *name == command && *since > stage.version()) {
            return Err(Stop::skip(format!("{command} needs version {since}, which the plugin does not list")));
        }
        let at = stage.container(&format!("c{}", stage.count() + 1)).at;
        let at = if command == "CHECK" && stage.subject.works() { at.with_prev(&at.add().result()?) } else { at };
        Ok(Self { stage, command, at: complete(at, command) })
    }

    /// Tests each command that the plugin has, according to the versions that it lists: first ADD for a container, then the
    /// others for one that is attached, if the configuration works.
    pub fn each(stage: &'a Stage, test: impl Fn(&Self) -> Verdict) -> Verdict {
        test(&Self::of(stage, "ADD")?)?;
        let others = Self::of(stage, if stage.version() < "0.4.0" { "DEL" } else { "CHECK" })?.at;
        for (command, _) in COMMANDS.into_iter().filter(|(name, since)| *name != "ADD" && *since <= stage.version()) {
            test(&Self { stage, command, at: complete(others.clone(), command) })?;
        }
        Ok(())
    }

    /// Another command for the same container, whatever has happened to it.
    pub fn instead(&self, command: &'static str) -> Self {
        Self { stage: self.stage, command, at: complete(self.at.clone(), command) }
    }

    /// The unchanged call.
    pub fn call(&self) -> Plugin {
        self.at.call(self.command)
    }

    /// The call with one key of the configuration set.
    pub fn with(&self, key: &str, value: Value) -> Plugin {
        self.at.with_key(key, value).call(self.command)
    }

    /// The call with one key of the configuration removed.
    pub fn without(&self, key: &str) -> Plugin {
        self.call().stdin(without(self.at.conf(), key))
    }

    /// Demands that the changed call fails, with one of these codes if there are any. Codes 4 to 7 are demanded only of
    /// plugins that list a version which has them.
    pub fn refused(&self, changed: &Plugin, codes: &[u64]) -> Result<Refused<'_>, Stop> {
        let output = changed.run();
        let error = output.error()?;
        let refused = Refused { trial: self, output, error };
        let too_old = self.stage.version() < CODES_4_TO_7 && codes.iter().all(|code| (4..=7).contains(code));
        let among = codes.iter().any(|code| refused.error["code"] == *code);
        let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
        refused.demand(too_old || among || codes.is_empty(), &format!("an error with code {}", codes.join(" or ")))?;
        Ok(refused)
    }

    /// Demands that the changed call succeeds, or fails as the unchanged one does.
    pub fn undisturbed(&self, changed: &Plugin) -> Verdict {
        let output = changed.run();
        self.orderly(&output)?;
        if output.status.success() {
            return Ok(());
        }
        let bare = self.bare()?;
        let same = outcome(&bare) == outcome(&output);
        output.demand(same, &format!("the end that it has without the change: {} {}", bare.status, bare.stdout.trim()))
    }

    /// Demands that the call ended with success, or as failures have to.
    pub fn orderly(&self, output: &Output) -> Verdict {
        match (output.status.success(), self.command) {
            (true, "ADD") => output.result().map(drop),
            (true, _) => output.silence(),
            (false, _) => output.error().map(drop),
        }
    }

    /// What the unchanged call does, for another container.
    fn bare(&self) -> Result<Output, Stop> {
        Ok(Self::of(self.stage, self.command)?.call().run())
    }
}

impl Refused<'_> {
    /// Demands something of the refusal. Skips the case when the unchanged call is refused just so.
    pub fn demand(&self, holds: bool, expected: &str) -> Verdict {
        if holds {
            return Ok(());
        }
        if self.trial.bare()?.error().is_ok_and(|bare| bare == self.error) {
            return Err(Stop::skip(format!(
                "{} fails anyway; needs a configuration with which it works",
                self.trial.command
            )));
        }
        Err(self.output.failed(expected))
    }

    /// Demands that the message has the names of these variables; that is a rule since there is code 4.
    pub fn names(&self, variables: &[&str]) -> Verdict {
        if self.trial.stage.version() < CODES_4_TO_7 {
            return Ok(());
        }
        let msg = self.msg();
        variables.iter().try_for_each(|name| self.demand(msg.contains(name), &format!("{name} in the message")))
    }

    /// Demands a message that begins with this text: what follows may say more.
    pub fn says(&self, text: &str) -> Verdict {
        self.demand(self.msg().starts_with(text), &format!("a message that begins with `{text}`"))
    }

    /// Demands details that begin with this text.
    pub fn details(&self, text: &str) -> Verdict {
        let details = self.error["details"].as_str().unwrap_or_default();
        self.demand(details.starts_with(text), &format!("details that begin with `{text}`"))
    }

    fn msg(&self) -> &str {
        self.error["msg"].as_str().unwrap_or_default()
    }
}

/// The attachment with what the command wants in its configuration.
fn complete(at: Attachment, command: &str) -> Attachment {
    if command == "GC" { at.with_key("cni.dev/valid-attachments", json!([])) } else { at }
}

/// The configuration without a key.
pub fn without(conf: &Value, key: &str) -> Value {
    let mut conf = conf.clone();
    if let Some(fields) = conf.as_object_mut() {
        fields.retain(|name, _| name != key);
    }
    conf
}

/// Whether it succeeded, and the code if it did not.
fn outcome(output: &Output) -> (bool, Option<u64>) {
    (output.status.success(), output.error().ok().and_then(|error| error["code"].as_u64()))
}
