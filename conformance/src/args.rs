//! `CNI_ARGS`: extra arguments as `KEY=VALUE` pairs with semicolons between them (CONVENTIONS.md, "`CNI_ARGS`").

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The pairs of `CNI_ARGS` in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Args {
    pairs: Vec<(String, String)>,
}

impl Args {
    /// The pairs of `text`; none for the empty text.
    ///
    /// # Errors
    /// A pair without exactly one `=`, without a key or without a value (as the Go cnitool).
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let pairs = text.split(';').map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() && !value.contains('=') => {
                Ok((key.to_owned(), value.to_owned()))
            }
            _ => {
                Err(Error::refused(format!("CNI_ARGS has the pair {pair:?}, allowed are KEY=VALUE pairs joined by ;")))
            }
        });
        Ok(Self { pairs: pairs.collect::<Result<_>>()? })
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl fmt::Display for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (key, value)) in self.pairs.iter().enumerate() {
            write!(f, "{}{key}={value}", if nth == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_in_their_order() {
        let text = "IgnoreUnknown=1;K8S_POD_NAME=web-0;A=x.y";
        assert_eq!(Args::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn empty_text_is_no_pairs() {
        assert!(Args::parse("").unwrap().is_empty());
    }

    #[test]
    fn malformed_pair_is_refused_by_name() {
        for text in ["A", "A=", "=b", "A=b=c", "A=b;", "A=b;;C=d"] {
            assert!(Args::parse(text).unwrap_err().to_string().contains("CNI_ARGS has the pair"), "{text}");
        }
    }
}
