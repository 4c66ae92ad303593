//! A rule as its words.

use std::fmt::{self, Display, Write};

/// What iptables(8) calls a rule specification: everything behind `-A CHAIN`.
///
/// A rule that was read is as `iptables-save` writes it, which is not always how it was given: addresses are masked, matches are
/// named, their order may be another one. A rule that was read can be deleted by its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    words: Vec<String>,
}

impl Rule {
    /// The rule of these words.
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect() }
    }

    /// The same with more words at its end.
    #[must_use]
    pub fn and<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// The same with a comment. The kernel takes up to 255 bytes (`XT_MAX_COMMENT_LEN` of `xt_comment.h` counts the end).
    #[must_use]
    pub fn comment(self, comment: &str) -> Self {
        self.and(["-m", "comment", "--comment", comment])
    }

    /// The words.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The word behind an option: `rule.value("--to-destination")`.
    pub fn value(&self, option: &str) -> Option<&str> {
        let place = self.words.iter().position(|word| word == option)?;
        self.words.get(place + 1).map(String::as_str)
    }

    /// Where matching packets go: a chain or a target.
    pub fn target(&self) -> Option<&str> {
        self.value("-j").or_else(|| self.value("-g"))
    }

    /// The text of its comment match.
    pub fn text(&self) -> Option<&str> {
        self.value("--comment")
    }

    /// The words of a line that `iptables-save` wrote; None when a quotation does not end.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = Vec::new();
        let mut chars = line.chars().peekable();
        while let Some(start) = chars.next() {
            match start {
                ' ' => {}
                '"' => words.push(quotation(&mut chars)?),
                start => {
                    let mut word = String::from(start);
                    while let Some(c) = chars.next_if(|c| *c != ' ') {
                        word.push(c);
                    }
                    words.push(word);
                }
            }
        }
        Some(Self { words })
    }
}

/// What is between quotes, behind the first one: a backslash makes any character an ordinary one.
fn quotation(chars: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut word = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(word),
            '\\' => word.push(chars.next()?),
            c => word.push(c),
        }
    }
}

/// As `iptables-restore` reads it.
impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in self.words.iter().enumerate() {
            if place > 0 {
                f.write_char(' ')?;
            }
            write_word(f, word)?;
        }
        Ok(())
    }
}

fn write_word(f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,!+=@%[]".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return f.write_str(word);
    }
    f.write_char('"')?;
    for c in word.chars() {
        if c == '"' || c == '\\' {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_writing_and_reading() {
        let words = ["-m", "comment", "--comment", "name: \"a\\b\" id: \"c d\"", "", "!", "-s", "10.1.0.2/24", "it's"];
        let rule = Rule::new(words);
        assert_eq!(Rule::parse(&rule.to_string()), Some(rule));
    }

    #[test]
    fn plain_words_are_not_quoted() {
        let line = "-p tcp -m multiport --dports 80,81 -j CNI-DN-7be53730afe4dc6eb2178";
        assert_eq!(Rule::parse(line).unwrap().to_string(), line);
    }

    #[test]
    fn parts_are_found_by_their_option() {
        let rule =
            Rule::parse(r#"-s 10.1.0.2/32 -m comment --comment "name: \"n\"" -j DNAT --to-destination 10.1.0.2:80"#);
        let rule = rule.unwrap();
        assert_eq!((rule.target(), rule.text()), (Some("DNAT"), Some("name: \"n\"")));
        assert_eq!((rule.value("--to-destination"), rule.value("-d")), (Some("10.1.0.2:80"), None));
    }

    #[test]
    fn quotation_without_an_end_is_no_rule() {
        assert_eq!(Rule::parse("-m comment --comment \"x"), None);
        assert_eq!(Rule::parse("-m comment --comment \"x\\"), None);
    }
}
