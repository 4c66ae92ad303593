//! `CNI_ARGS` (CONVENTIONS.md; the parsing is that of the Go package `types`).

use std::collections::BTreeMap;

use crate::{Code, Error, Result};

/// The pairs of `CNI_ARGS` that a plugin knows, by their key.
pub type Args = BTreeMap<&'static str, String>;

/// Reads `K=V` pairs with `;` between them. Keys are case-sensitive, the last of two equal ones wins.
///
/// # Errors
/// Code 4 for a pair that is not exactly `K=V`, and for keys other than `known`, unless `IgnoreUnknown` is 1 or true.
pub fn parse(text: &str, known: &[&'static str]) -> Result<Args> {
    let mut args = Args::new();
    let mut unknown = Vec::new();
    let mut ignore_unknown = false;
    for pair in text.split(';').filter(|_| !text.is_empty()) {
        let (key, value) = split(pair)?;
        if key == "IgnoreUnknown" {
            ignore_unknown = boolean(value)?;
        } else if let Some(key) = known.iter().find(|known| **known == key) {
            args.insert(key, value.to_owned());
        } else {
            unknown.push(pair);
        }
    }
    if unknown.is_empty() || ignore_unknown {
        return Ok(args);
    }
    Err(refused(format!("ARGS: unknown args {unknown:?}"))
        .details(format!("known are {known:?} and \"IgnoreUnknown\"")))
}

fn split(pair: &str) -> Result<(&str, &str)> {
    pair.split_once('=')
        .filter(|(_, value)| !value.contains('='))
        .ok_or_else(|| refused(format!("ARGS: invalid pair \"{pair}\"")))
}

fn boolean(value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(refused(format!(
            "ARGS: error parsing value of pair \"IgnoreUnknown={value}\": it must be 1, 0, true or false"
        ))),
    }
}

fn refused(msg: String) -> Error {
    Error::new(Code::InvalidEnvironment, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text, &["IP"]).unwrap_err().msg
    }

    #[test]
    fn known_keys_are_returned_and_the_last_wins() {
        let args = parse("IP=10.0.0.1;IP=10.0.0.2;IgnoreUnknown=0", &["IP", "MAC"]).unwrap();
        assert_eq!(args.get("IP").map(String::as_str), Some("10.0.0.2"));
        assert_eq!(args.get("MAC"), None);
        assert_eq!(parse("", &["IP"]).unwrap(), Args::new());
        assert_eq!(parse("IP=", &["IP"]).unwrap()["IP"], "");
    }

    #[test]
    fn unknown_keys_need_ignore_unknown_anywhere() {
        assert_eq!(refusal("K8S_POD_NAME=x;IP=1;ip=2"), r#"ARGS: unknown args ["K8S_POD_NAME=x", "ip=2"]"#);
        for ignore in ["IgnoreUnknown=1;K=V", "K=V;IgnoreUnknown=TRUE"] {
            assert_eq!(parse(ignore, &["IP"]).unwrap(), Args::new(), "{ignore}");
        }
        assert!(refusal("IgnoreUnknown=yes").contains("IgnoreUnknown=yes"));
    }

    #[test]
    fn malformed_pairs_are_refused() {
        for (text, pair) in [("IP=a;", ""), ("IP", "IP"), ("IP=a=b", "IP=a=b"), (";", ""), ("IP=a;;IP=b", "")] {
            assert_eq!(refusal(text), format!("ARGS: invalid pair \"{pair}\""), "{text}");
        }
    }
}
