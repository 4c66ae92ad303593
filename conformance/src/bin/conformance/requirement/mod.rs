//! What the specification, its conventions and the reference demand of a plugin, line by line.

/// How binding a requirement is; the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The specification demands it.
    Must,
    /// The specification or its conventions recommend it.
    Should,
    /// The reference does it, and clients got used to it.
    Ref,
}

/// One testable line of what binds a plugin.
#[derive(Debug)]
pub struct Requirement {
    /// Section and line of our numbering, for example "3.15".
    pub number: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Whom it binds: P any plugin, I one that creates an interface, H a chained one, D a delegate, U one that delegates.
    pub actors: &'static str,
    /// The first version of the specification in which it applies; none: always.
    pub since: Option<&'static str>,
    /// What has to hold.
    pub text: &'static str,
    /// Why no case tests it.
    pub untested: Option<&'static str>,
}

/// All requirements.
pub fn all() -> impl Iterator<Item = &'static Requirement> {
    [].iter()
}

/// The requirement with this number.
pub fn find(number: &str) -> Option<&'static Requirement> {
    all().find(|requirement| requirement.number == number)
}
