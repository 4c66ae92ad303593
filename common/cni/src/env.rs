//! The environment of a call (spec: section 2, "Parameters"; order and wording of the checks: the Go skeleton).

use std::path::PathBuf;

use crate::{Attachment, Code, Command, Error, Result, check_container_id, check_ifname};

/// The `CNI_*` variables as they came; an empty one is as good as none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Env {
    pub(crate) command: Option<String>,
    container_id: Option<String>,
    netns: Option<String>,
    ifname: Option<String>,
    args: Option<String>,
    path: Option<String>,
    netns_override: Option<String>,
}

impl Env {
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self {
            command: set("CNI_COMMAND"),
            container_id: set("CNI_CONTAINERID"),
            netns: set("CNI_NETNS"),
            ifname: set("CNI_IFNAME"),
            args: set("CNI_ARGS"),
            path: set("CNI_PATH"),
            netns_override: set("CNI_NETNS_OVERRIDE"),
        }
    }

    /// Fails with code 4 if a variable that `command` needs is missing or malformed. Others are not looked at.
    pub(crate) fn check(&self, command: Command) -> Result<()> {
        let of_attachment = matches!(command, Command::Add | Command::Del | Command::Check);
        if of_attachment {
            let [id, ifname] = [&self.container_id, &self.ifname].map(Option::as_deref);
            id.map_or(Ok(()), |id| check_container_id(id).map_err(|error| named(error, "CNI_CONTAINERID", id)))?;
            ifname.map_or(Ok(()), |name| check_ifname(name).map_err(|error| named(error, "CNI_IFNAME", name)))?;
        }
        let needs_netns = matches!(command, Command::Add | Command::Check);
        let missing: Vec<&str> = [
            ("CNI_CONTAINERID", of_attachment, &self.container_id),
            ("CNI_NETNS", needs_netns, &self.netns),
            ("CNI_IFNAME", of_attachment, &self.ifname),
            ("CNI_PATH", command != Command::Version, &self.path),
        ]
        .into_iter()
        .filter_map(|(name, needed, value)| (needed && value.is_none()).then_some(name))
        .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::InvalidEnvironment, format!("required env variables [{}] missing", missing.join(","))))
    }

    pub(crate) fn attachment(&self) -> Attachment {
        Attachment {
            container_id: self.container_id.clone().unwrap_or_default(),
            ifname: self.ifname.clone().unwrap_or_default(),
        }
    }

    pub(crate) fn netns(&self) -> Option<PathBuf> {
        self.netns.as_ref().map(PathBuf::from)
    }

    pub(crate) fn args(&self) -> String {
        self.args.clone().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> String {
        self.path.clone().unwrap_or_default()
    }

    /// Whether `CNI_NETNS` may be the plugin's own network namespace.
    pub(crate) fn may_be_own_netns(&self) -> bool {
        self.netns_override.as_ref().is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }
}

/// The specification wants the variable's name in the message, behind what the Go skeleton says.
fn named(error: Error, variable: &str, value: &str) -> Error {
    Error { msg: format!("{}: {variable} is {value:?}", error.msg), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::read(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn refusal(command: Command, pairs: &[(&str, &str)]) -> String {
        let error = env(pairs).check(command).unwrap_err();
        assert_eq!(error.code, Code::InvalidEnvironment);
        error.msg
    }

    #[test]
    fn missing_variables_are_all_named_in_order() {
        assert_eq!(
            refusal(Command::Add, &[]),
            "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing"
        );
        assert_eq!(
            refusal(Command::Del, &[("CNI_IFNAME", ""), ("CNI_PATH", "/x")]),
            "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing"
        );
        assert_eq!(refusal(Command::Gc, &[]), "required env variables [CNI_PATH] missing");
        assert_eq!(env(&[]).check(Command::Version), Ok(()));
    }

    #[test]
    fn malformed_comes_before_missing() {
        assert_eq!(
            refusal(Command::Add, &[("CNI_CONTAINERID", "a/b")]),
            "invalid characters in containerID: CNI_CONTAINERID is \"a/b\""
        );
    }

    #[test]
    fn malformed_variables_are_named_with_their_value() {
        assert_eq!(
            refusal(Command::Del, &[("CNI_CONTAINERID", "a"), ("CNI_IFNAME", "a\n")]),
            "interface name contains / or : or whitespace characters: CNI_IFNAME is \"a\\n\""
        );
    }

    #[test]
    fn variables_of_other_commands_are_not_looked_at() {
        let odd = [("CNI_CONTAINERID", "a/b"), ("CNI_IFNAME", "way too long and wrong"), ("CNI_PATH", "/x")];
        for command in [Command::Gc, Command::Status] {
            assert_eq!(env(&odd).check(command), Ok(()));
        }
    }

    #[test]
    fn own_netns_is_allowed_only_by_true_or_one() {
        for (value, allowed) in [("1", true), ("true", true), ("TRUE", true), ("0", false), ("yes", false)] {
            assert_eq!(env(&[("CNI_NETNS_OVERRIDE", value)]).may_be_own_netns(), allowed, "{value}");
        }
    }
}
