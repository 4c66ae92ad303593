//! What binds a plugin: the table of requirements, as data.
//!
//! Lines that bind only runtimes and loaders of configurations are not here, nor is how a requirement is tested: cases
//! name the numbers that they cover.

mod capabilities;
mod clients;
mod config;
mod conventions;
mod delegation;
mod execution;
mod operations;
mod protocol;
mod results;
mod skeleton;

/// How binding a requirement is, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The specification demands it.
    Must,
    /// The specification or its conventions recommend it.
    Should,
    /// The Go libraries do it and clients got used to it, or the specification allows it.
    Ref,
}

/// One testable line of what binds a plugin.
#[derive(Debug)]
pub struct Requirement {
    /// Section and line, with a letter where a line has several things in it: `3.15a`. The rows of tables have a third
    /// part: `2.27.4` is error code 4, `3.8.v1_0_0` the layout of a result of version 1.0.0. Section C is what clients
    /// demand.
    pub number: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Whom it binds: P any plugin, I one that creates an interface, H a chained one, D a delegate, U one that has a
    /// delegate.
    pub actors: &'static str,
    /// First version of the specification in which it applies; None: from the beginning.
    pub since: Option<&'static str>,
    /// Last version of the specification in which it applies; None: to this day.
    pub until: Option<&'static str>,
    /// What has to hold, in one or two sentences.
    pub text: &'static str,
    /// Why no case tests it.
    pub untested: Option<&'static str>,
}

impl Requirement {
    const fn new(level: Level, number: &'static str, actors: &'static str, text: &'static str) -> Self {
        Self { number, level, actors, since: None, until: None, text, untested: None }
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    const fn until(mut self, version: &'static str) -> Self {
        self.until = Some(version);
        self
    }

    const fn untested(mut self, reason: &'static str) -> Self {
        self.untested = Some(reason);
        self
    }
}

const fn must(number: &'static str, actors: &'static str, text: &'static str) -> Requirement {
    Requirement::new(Level::Must, number, actors, text)
}

const fn should(number: &'static str, actors: &'static str, text: &'static str) -> Requirement {
    Requirement::new(Level::Should, number, actors, text)
}

const fn reference(number: &'static str, actors: &'static str, text: &'static str) -> Requirement {
    Requirement::new(Level::Ref, number, actors, text)
}

/// One table per file, in the order of the numbering.
static TABLES: [&[Requirement]; 10] = [
    config::TABLE,
    protocol::TABLE,
    operations::TABLE,
    results::TABLE,
    delegation::TABLE,
    execution::TABLE,
    skeleton::TABLE,
    conventions::TABLE,
    capabilities::TABLE,
    clients::TABLE,
];

/// Every requirement.
pub fn all() -> impl Iterator<Item = &'static Requirement> {
    TABLES.iter().copied().flatten()
}

/// The requirement of this number.
pub fn find(number: &str) -> Option<&'static Requirement> {
    all().find(|requirement| requirement.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

    /// Section, line, row of a table (a number or a word) and letter, compared in the order in which a file has them.
    fn parts(number: &str) -> (&str, u32, Option<(u32, &str)>, &str) {
        let mut dotted = number.splitn(3, '.');
        let section = dotted.next().unwrap();
        let line = dotted.next().unwrap_or_else(|| panic!("{number}: no line"));
        let row = dotted.next().map(|row| (row.parse().unwrap_or(0), row));
        let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
        let (line, letter) = line.split_at(digits);
        assert!(letter.len() <= 1 && letter.bytes().all(|b| b.is_ascii_lowercase()), "{number}: one lower-case letter");
        (section, line.parse().unwrap_or_else(|_| panic!("{number}: no line")), row, letter)
    }

    #[test]
    fn numbers_are_unique() {
        let mut seen = BTreeSet::new();
        for requirement in all() {
            assert!(seen.insert(requirement.number), "{} is there twice", requirement.number);
        }
    }

    #[test]
    fn numbers_of_a_table_are_in_order_and_of_one_section() {
        for table in TABLES {
            for pair in table.windows(2) {
                let (one, next) = (parts(pair[0].number), parts(pair[1].number));
                assert!(one < next, "{} is before {}", pair[0].number, pair[1].number);
                assert_eq!(one.0, next.0, "{} and {}", pair[0].number, pair[1].number);
            }
        }
    }

    #[test]
    fn lettered_lines_begin_with_a_and_leave_none_out() {
        for requirement in all() {
            let (section, line, row, letter) = parts(requirement.number);
            let Some(letter) = letter.chars().next() else { continue };
            assert!(row.is_none(), "{}: a row has no letter", requirement.number);
            let before = match letter {
                'a' => continue,
                later => char::from(u8::try_from(later).unwrap() - 1),
            };
            assert!(find(&format!("{section}.{line}{before}")).is_some(), "{} without {before}", requirement.number);
            assert!(find(&format!("{section}.{line}")).is_none(), "{} with and without letters", requirement.number);
        }
    }

    #[test]
    fn texts_are_sentences() {
        for Requirement { number, text, untested, .. } in all() {
            assert!(text.len() > 10 && text.ends_with('.') && text.trim() == *text, "{number}: {text:?}");
            assert!(!text.contains("  ") && !text.contains('\n'), "{number}: {text:?}");
            assert!(
                untested.is_none_or(|reason| !reason.is_empty() && !reason.ends_with('.')),
                "{number}: {untested:?}"
            );
        }
    }

    #[test]
    fn versions_are_those_of_the_specification() {
        for Requirement { number, since, until, .. } in all() {
            for version in [since, until].into_iter().flatten() {
                assert!(VERSIONS.contains(version), "{number}: {version}");
            }
            assert!(until.is_none_or(|until| since.is_none_or(|since| since <= until)), "{number}");
        }
    }

    #[test]
    fn actors_are_known() {
        for Requirement { number, actors, .. } in all() {
            assert!(
                !actors.is_empty() && actors.bytes().all(|actor| b"PIHDU".contains(&actor)),
                "{number}: {actors:?}"
            );
        }
    }

    #[test]
    fn must_is_the_strongest() {
        assert!(Level::Must < Level::Should && Level::Should < Level::Ref);
    }

    #[test]
    fn requirements_are_found_by_their_number() {
        assert_eq!(find("2.27.4").unwrap().since, Some("1.0.0"));
        assert_eq!(find("3.15a").unwrap().level, Level::Must);
        assert!(find("3.15").is_none());
        assert!(find("9.1").is_none());
    }
}
