//! The failures that are known, so that a new one, or one that is gone, shows.

use std::collections::BTreeMap;

/// Plugin and case of each expected failure, with the reason.
pub type Expected = BTreeMap<(String, String), String>;

/// What the reason begins with when the case fails at some times and passes at others: races, kills.
const SOMETIMES: &str = "sometimes:";

/// Whether a case with this reason may pass as well.
pub fn may_pass(reason: &str) -> bool {
    reason.starts_with(SOMETIMES)
}

/// Reads lines of `PLUGIN CASE REASON`; `#` begins a comment.
pub fn read(text: &str) -> Result<Expected, String> {
    let mut expected = Expected::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let entry = line.split_once(char::is_whitespace);
        let entry = entry.and_then(|(plugin, rest)| Some((plugin, rest.trim_start().split_once(char::is_whitespace)?)));
        let (plugin, (case, reason)) =
            entry.ok_or_else(|| format!("{line:?} should be a plugin, the id of a case, and a reason"))?;
        if expected.insert((plugin.to_owned(), case.to_owned()), reason.trim().to_owned()).is_some() {
            return Err(format!("{plugin} {case} is there twice"));
        }
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_plugin_a_case_and_a_reason() {
        let expected = read("# known\n\nbridge  del::twice   it leaks\n").unwrap();
        assert_eq!(
            expected.into_iter().collect::<Vec<_>>(),
            [(("bridge".into(), "del::twice".into()), "it leaks".into())]
        );
    }

    #[test]
    fn a_case_that_fails_sometimes_may_pass() {
        assert!(may_pass("sometimes: two of them meet") && !may_pass("two of them meet sometimes:"));
    }

    #[test]
    fn a_failure_without_a_reason_is_not_expected() {
        assert!(read("bridge del::twice").is_err());
        assert!(read("bridge").is_err());
        assert!(read("bridge a b\nbridge a c").is_err());
    }
}
