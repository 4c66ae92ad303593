//! The report for CI systems: the `JUnit` dialect of XML that Jenkins, `GitLab` and `GitHub` actions read.

use super::{Report, Verdicts};
use crate::case::Failure;
use crate::catalogue::name;
use crate::worker::Outcome;
use std::fmt::Write as _;

/// One `testsuite` per plugin.
pub fn render(report: &Report) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for plugin in &report.plugins {
        suite(&mut xml, plugin);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, plugin: &Verdicts) {
    let count = |test: fn(&Outcome) -> bool| plugin.cases.iter().filter(|(_, outcome)| test(outcome)).count();
    let failures = count(|outcome| matches!(outcome, Outcome::Fail(_)));
    let errors = count(|outcome| matches!(outcome, Outcome::Error(_)));
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{}\">",
        escaped(&plugin.subject.name),
        plugin.cases.len(),
        plugin.skipped()
    );
    for (entry, outcome) in &plugin.cases {
        let level = name(entry.case.level());
        let _ = write!(
            xml,
            "    <testcase classname=\"{}.{level}\" name=\"{}\">",
            escaped(&plugin.subject.name),
            escaped(&entry.id)
        );
        match outcome {
            Outcome::Pass => {}
            Outcome::Fail(failure) => wrong(xml, "failure", failure),
            Outcome::Error(failure) => wrong(xml, "error", failure),
            Outcome::Skip { reason } => {
                let _ = write!(xml, "<skipped message=\"{}\"/>", escaped(reason));
            }
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("  </testsuite>\n");
}

fn wrong(xml: &mut String, element: &str, failure: &Failure) {
    let details = serde_json::to_string_pretty(failure).unwrap_or_default();
    let _ = write!(xml, "<{element} message=\"{}\">{}</{element}>", escaped(&failure.expected), escaped(&details));
}

/// XML 1.0 allows no control characters but tab and the ends of lines, not even as references.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' | '\n' | '\r' => safe.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_does_not_allow_is_replaced() {
        assert_eq!(escaped("a<b>&\"c\"\u{0}\u{1b}[1m\n"), "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\u{fffd}[1m\n");
    }
}
