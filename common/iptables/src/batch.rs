//! Changes to a table, applied together.

use std::fmt::{self, Display};

use crate::Rule;

/// The lines for `iptables-restore --noflush`: all of them are applied, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    table: &'static str,
    lines: Vec<String>,
    is_doubtful: bool,
}

impl Batch {
    /// No changes yet of this table.
    pub fn new(table: &'static str) -> Self {
        Self { table, lines: Vec::new(), is_doubtful: false }
    }

    /// Whether there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Something was not seen that nearly always is there: [`Iptables`](crate::Iptables) looks again before it believes that.
    pub fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Creates a chain. The batch fails if it is there; but if it has come in the moment before, `iptables-nft-restore` goes on.
    pub fn create_chain(&mut self, chain: &str) {
        self.lines.push(format!("-N {chain}"));
    }

    /// Creates a chain, or empties it. All that is said of it must stand behind this.
    pub fn renew_chain(&mut self, chain: &str) {
        self.lines.push(format!(":{chain} - [0:0]"));
    }

    /// Empties a chain and removes it. The batch fails if it is not there, or if a rule leads to it.
    pub fn delete_chain(&mut self, chain: &str) {
        self.lines.extend([format!("-F {chain}"), format!("-X {chain}")]);
    }

    /// Removes a chain that is empty by then. The batch fails if it is not, so that nobody's new rule goes with it.
    pub fn delete_empty_chain(&mut self, chain: &str) {
        self.lines.push(format!("-X {chain}"));
    }

    /// Adds a rule at the end of a chain.
    pub fn append(&mut self, chain: &str, rule: &Rule) {
        self.lines.push(format!("-A {chain} {rule}"));
    }

    /// Adds a rule at the beginning of a chain.
    pub fn insert(&mut self, chain: &str, rule: &Rule) {
        self.lines.push(format!("-I {chain} 1 {rule}"));
    }

    /// Deletes the first rule that is equal. The batch fails if there is none.
    pub fn delete(&mut self, chain: &str, rule: &Rule) {
        self.lines.push(format!("-D {chain} {rule}"));
    }

    /// Deletes those of these rules of a chain that are there twice. The batch fails if somebody else does so meanwhile, so that
    /// one of each stays.
    pub fn delete_duplicates<'a>(&mut self, chain: &str, rules: impl IntoIterator<Item = &'a Rule>) {
        let mut seen: Vec<&Rule> = Vec::new();
        for rule in rules {
            if seen.contains(&rule) {
                self.delete(chain, rule);
                self.require(chain, rule);
            } else {
                seen.push(rule);
            }
        }
    }

    /// Deletes the rule at a place of a chain, counted from 1 by what the lines before have left. The batch fails if there is
    /// none; that it is the one that was meant, nobody checks.
    pub fn delete_at(&mut self, chain: &str, place: usize) {
        self.lines.push(format!("-D {chain} {place}"));
    }

    /// Demands that a rule is there. The batch fails if it is not.
    pub fn require(&mut self, chain: &str, rule: &Rule) {
        self.lines.push(format!("-C {chain} {rule}"));
    }

    pub(crate) fn table(&self) -> &'static str {
        self.table
    }

    /// The first line that is more than one, and would smuggle in others.
    pub(crate) fn broken_line(&self) -> Option<&str> {
        self.lines.iter().find(|line| line.contains(|c: char| c.is_control())).map(String::as_str)
    }

    /// A line by its number, as `iptables-restore` counts: the table's name is the first.
    pub(crate) fn line(&self, number: usize) -> Option<&str> {
        self.lines.get(number.checked_sub(2)?).map(String::as_str)
    }
}

/// As `iptables-restore` reads it.
impl Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "*{}", self.table)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "COMMIT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_reads_as_a_table() {
        let mut batch = Batch::new("nat");
        batch.renew_chain("CNI-T");
        batch.append("CNI-T", &Rule::new(["-j", "ACCEPT"]).comment("a b"));
        batch.insert("PREROUTING", &Rule::new(["-j", "CNI-T"]));
        let text =
            "*nat\n:CNI-T - [0:0]\n-A CNI-T -j ACCEPT -m comment --comment \"a b\"\n-I PREROUTING 1 -j CNI-T\nCOMMIT\n";
        assert_eq!(batch.to_string(), text);
        assert_eq!((batch.line(2), batch.line(1)), (Some(":CNI-T - [0:0]"), None));
    }

    #[test]
    fn only_equal_rules_are_duplicates() {
        let (one, other) = (Rule::new(["-j", "CNI-T"]), Rule::new(["-i", "eth0", "-j", "CNI-T"]));
        let mut batch = Batch::new("nat");
        batch.delete_duplicates("PREROUTING", [&one, &other, &one]);
        assert_eq!(batch.to_string(), "*nat\n-D PREROUTING -j CNI-T\n-C PREROUTING -j CNI-T\nCOMMIT\n");
    }

    #[test]
    fn word_with_the_end_of_a_line_is_found() {
        let mut batch = Batch::new("nat");
        batch.append("PREROUTING", &Rule::new(["-m", "comment", "--comment", "a\n-F"]));
        assert!(batch.broken_line().is_some());
    }
}
