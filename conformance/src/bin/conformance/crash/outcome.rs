//! What was found at one point.

use crate::case::{Call, Failure, Stop};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// How one point ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The system call that was hit; none when the operation ended before the point.
    pub hit: Option<String>,
    /// What should not be. Nothing, for a plugin that cleans up.
    pub findings: Vec<Finding>,
}

/// Something that should not be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: What,
    /// What was expected and found.
    #[serde(flatten)]
    pub failure: Failure,
}

/// What can be wrong at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The call after it failed, or something is left after it, or a new ADD fails.
    Left,
    /// A call that failed by itself left something, or one that said it was done was not.
    Itself,
    /// A call that went on after the error answered with something else than one document.
    Answer,
    /// The point could not be tried.
    Broken,
}

impl Outcome {
    /// Whether the host can be used for another point.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// The point could not be tried.
    pub fn broken(expected: &str, found: impl Into<String>) -> Self {
        let failure = Failure { expected: expected.to_owned(), found: found.into(), call: None };
        Self { hit: None, findings: vec![Finding { kind: What::Broken, failure }] }
    }

    /// Notes what a demand found.
    pub fn note<T>(&mut self, kind: What, demanded: Result<T, Stop>) -> Option<T> {
        match demanded {
            Ok(value) => Some(value),
            Err(Stop::Fail(failure)) => {
                self.findings.push(Finding { kind, failure: *failure });
                None
            }
            Err(Stop::Skip { reason }) => {
                let failure = Failure { expected: "a point that can be tried".to_owned(), found: reason, call: None };
                self.findings.push(Finding { kind: What::Broken, failure });
                None
            }
        }
    }
}

impl Finding {
    /// What findings of one cause have in common: all but what has a number in it.
    pub fn shape(&self) -> String {
        let Failure { expected, found, call } = &self.failure;
        let answer = call.iter().map(|Call { status, stdout, .. }| format!("{status} {stdout}"));
        let text = [expected.clone(), found.clone()].into_iter().chain(answer).collect::<Vec<_>>().join(" ");
        let words = text.split([' ', '\n', '"', '/']).filter(|word| !word.is_empty());
        words
            .map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// A heading of the report.
impl Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Left => "left",
            Self::Itself => "by itself",
            Self::Answer => "answer",
            Self::Broken => "broken",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(found: &str) -> Finding {
        let failure = Failure { expected: "nothing".into(), found: found.into(), call: None };
        Finding { kind: What::Left, failure }
    }

    #[test]
    fn findings_that_differ_in_numbers_are_of_one_cause() {
        assert_eq!(left("+ addr cni0 10.1.0.2/24\n").shape(), left("+ addr cni0 10.1.0.3/24\n").shape());
        assert_ne!(left("+ addr cni0 10.1.0.2/24\n").shape(), left("+ link veth12 up\n").shape());
    }
}
