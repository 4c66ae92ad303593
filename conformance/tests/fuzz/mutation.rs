//! Changes of a working document that leave most of it in place, so that what reads it gets far.

use proptest::{collection::vec, prelude::*, sample::Index, sample::select};

use crate::{document::Document, values};

/// A document does not get more parts than this: what is to be seen is slowness of the plugin, not of the test.
const MOST_PARTS: usize = 60_000;

/// One change of a document.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// A part becomes this.
    Replace(Index, Vec<u8>),
    /// A string becomes this one, a number that one, anything else the third.
    Alike(Index, [Vec<u8>; 3]),
    /// A part becomes a copy of another one.
    Copy(Index, Index),
    /// The last number in a leaf changes by so much.
    Count(Index, i64),
    /// Text appears within a leaf.
    Insert(Index, Index, Vec<u8>),
    /// A leaf loses a byte.
    Lose(Index, Index),
    /// A part goes, with its key.
    Drop(Index),
    /// A key comes a second time, with this value.
    Double(Index, Vec<u8>),
    /// A key is spelt otherwise.
    Rename(Index, Spelling),
    /// A part is put into so many lists or objects.
    Nest(Index, &'static str, &'static str, usize),
    /// An item or entry comes so many times; numbers in it count up.
    Repeat(Index, usize),
}

/// How a key is changed.
#[derive(Clone, Debug)]
pub enum Spelling {
    Upper,
    Lower,
    Other(Vec<u8>),
}

/// One change of the text.
#[derive(Clone, Debug)]
pub enum Edit {
    Truncate(Index),
    Append(Vec<u8>),
    Prepend(Vec<u8>),
    Overwrite(Index, u8),
}

/// What is sent in place of `base`: mostly `base` with changes, sometimes something else.
pub fn input(base: Document) -> impl Strategy<Value = Vec<u8>> {
    let texts: Vec<Vec<u8>> = vec![base.text(), b"null".to_vec(), b"{}".to_vec(), Vec::new()];
    prop_oneof![
        15 => mutated(base).prop_map(|document| document.text()),
        3 => (select(texts), vec(edit(), 1..3)).prop_map(|(text, edits)| edits.iter().fold(text, edited)),
        1 => vec(any::<u8>(), 0..300),
        1 => r#"[\[\]{}:,"0-9a-z\\. -]{0,100}"#.prop_map(String::into_bytes),
        1 => values::value(),
    ]
}

/// `base` with a change, or with a few: of two, one often hides what the other does.
pub fn mutated(base: Document) -> impl Strategy<Value = Document> {
    prop_oneof![4 => vec(mutation(), 1), 1 => vec(mutation(), 2..5)].prop_map(move |mutations| {
        let mut document = base.clone();
        for mutation in mutations {
            mutation.apply(&mut document);
        }
        document
    })
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let spelling =
        prop_oneof![Just(Spelling::Upper), Just(Spelling::Lower), values::string().prop_map(Spelling::Other),];
    let other = select(&["true", "false", "null", "[]", "{}"][..]).prop_map(Vec::from);
    let alike = (values::text(), values::number(), other)
        .prop_map(|(text, number, other)| [values::quoted(&text), number, other]);
    let nesting = (
        select(&[("[", "]"), (r#"{"a":"#, "}"), ("[[", ""), ("", "]")][..]),
        select(&[1usize, 2, 100, 200, 30_000][..]),
    );
    let times = prop_oneof![2usize..20, select(&[300usize, 3000][..])];
    let few = "[a-z0-9./: ,-]{1,3}".prop_map(String::into_bytes);
    let part = any::<Index>;
    prop_oneof![
        4 => (part(), values::value()).prop_map(|(at, value)| Mutation::Replace(at, value)),
        8 => (part(), alike).prop_map(|(at, values)| Mutation::Alike(at, values)),
        3 => (part(), part()).prop_map(|(at, other)| Mutation::Copy(at, other)),
        3 => (part(), prop_oneof![-3i64..4, Just(-300i64), Just(70_000)]).prop_map(|(at, by)| Mutation::Count(at, by)),
        2 => (part(), part(), few).prop_map(|(at, place, text)| Mutation::Insert(at, place, text)),
        1 => (part(), part()).prop_map(|(at, place)| Mutation::Lose(at, place)),
        3 => part().prop_map(Mutation::Drop),
        2 => (part(), values::value()).prop_map(|(at, value)| Mutation::Double(at, value)),
        2 => (part(), spelling).prop_map(|(at, spelling)| Mutation::Rename(at, spelling)),
        1 => (part(), nesting).prop_map(|(at, ((open, close), times))| Mutation::Nest(at, open, close, times)),
        2 => (part(), times).prop_map(|(at, times)| Mutation::Repeat(at, times)),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let garbage = || {
        prop_oneof![
            values::value(),
            select(&["}", "]", ",", " \n\t", "\0", "\u{feff}", "{}", " x"][..]).prop_map(Vec::from)
        ]
    };
    prop_oneof![
        any::<Index>().prop_map(Edit::Truncate),
        garbage().prop_map(Edit::Append),
        garbage().prop_map(Edit::Prepend),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Overwrite(at, byte)),
    ]
}

fn edited(mut text: Vec<u8>, edit: &Edit) -> Vec<u8> {
    match edit {
        Edit::Truncate(at) => text.truncate(at.index(text.len() + 1)),
        Edit::Append(garbage) => text.extend(garbage),
        Edit::Prepend(garbage) => text = [&garbage[..], &text].concat(),
        Edit::Overwrite(at, byte) => {
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = *byte;
            }
        }
    }
    text
}

impl Mutation {
    fn apply(self, document: &mut Document) {
        let size = document.size();
        match self {
            Self::Replace(at, value) => *document.part(at.index(size)) = Document::Leaf(value),
            Self::Alike(at, [string, number, other]) => {
                let part = document.part(at.index(size));
                *part = Document::Leaf(match part {
                    Document::Leaf(text) if text.starts_with(b"\"") => string,
                    Document::Leaf(text) if text.iter().any(u8::is_ascii_digit) => number,
                    _ => other,
                });
            }
            Self::Copy(at, other) => {
                let other = document.part(other.index(size)).clone();
                if size + other.size() < MOST_PARTS {
                    *document.part(at.index(size)) = other;
                }
            }
            Self::Count(at, by) => in_leaf(document, at, |text| counted(text, by)),
            Self::Insert(at, place, new) => in_leaf(document, at, |text| {
                let (head, tail) = text.split_at(place.index(text.len() + 1));
                [head, &new, tail].concat()
            }),
            Self::Lose(at, place) => in_leaf(document, at, |text| {
                let (head, tail) = text.split_at(place.index(text.len() + 1));
                [head, tail.get(1..).unwrap_or_default()].concat()
            }),
            Self::Nest(at, open, close, times) => {
                let part = document.part(at.index(size));
                let (open, close) = (open.repeat(times), close.repeat(times));
                *part = Document::Leaf([open.as_bytes(), &part.text(), close.as_bytes()].concat());
            }
            Self::Drop(_) | Self::Double(..) | Self::Rename(..) | Self::Repeat(..) if size == 1 => {}
            Self::Drop(at) => match document.place(1 + at.index(size - 1)) {
                (Document::Map(entries), place) => drop(entries.remove(place)),
                (Document::List(items), place) => drop(items.remove(place)),
                (Document::Leaf(_), _) => {}
            },
            Self::Double(at, value) => {
                if let (Document::Map(entries), place) = document.place(1 + at.index(size - 1)) {
                    let key = entries[place].0.clone();
                    entries.push((key, Document::Leaf(value)));
                }
            }
            Self::Rename(at, spelling) => {
                if let (Document::Map(entries), place) = document.place(1 + at.index(size - 1)) {
                    let key = &mut entries[place].0;
                    match spelling {
                        Spelling::Upper => key.make_ascii_uppercase(),
                        Spelling::Lower => key.make_ascii_lowercase(),
                        Spelling::Other(other) => *key = other,
                    }
                }
            }
            Self::Repeat(at, times) => repeat(document, 1 + at.index(size - 1), times),
        }
    }
}

/// Adds copies of an item, or of an entry under other keys.
fn repeat(document: &mut Document, number: usize, times: usize) {
    let (size, own) = (document.size(), document.part(number).size());
    if size + own * times > MOST_PARTS {
        return;
    }
    let copies = |part: &Document| (1i64..).take(times).map(|by| recounted(part, by)).collect::<Vec<_>>();
    match document.place(number) {
        (Document::List(items), place) => {
            let new = copies(&items[place]);
            items.extend(new);
        }
        (Document::Map(entries), place) => {
            let new = copies(&entries[place].1);
            entries.extend(new.into_iter().enumerate().map(|(n, part)| (values::quoted(&format!("key{n}")), part)));
        }
        (Document::Leaf(_), _) => {}
    }
}

/// A copy whose leaves count up.
fn recounted(part: &Document, by: i64) -> Document {
    match part {
        Document::Leaf(text) => Document::Leaf(counted(text, by)),
        Document::List(items) => Document::List(items.iter().map(|item| recounted(item, by)).collect()),
        Document::Map(entries) => {
            Document::Map(entries.iter().map(|(key, part)| (key.clone(), recounted(part, by))).collect())
        }
    }
}

fn in_leaf(document: &mut Document, at: Index, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let size = document.size();
    if let Document::Leaf(text) = document.part(at.index(size)) {
        *text = change(text);
    }
}

/// `text` with its last number changed.
fn counted(text: &[u8], by: i64) -> Vec<u8> {
    let Some(last) = text.iter().rposition(u8::is_ascii_digit) else { return text.to_vec() };
    let first = text[..last].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |before| before + 1);
    let number = std::str::from_utf8(&text[first..=last]).unwrap().parse::<i64>();
    let number = number.map_or_else(|_| "0".to_owned(), |number| number.wrapping_add(by).to_string());
    [&text[..first], number.as_bytes(), &text[last + 1..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_counts() {
        for (text, by, counts) in [("\"10.0.0.9/24\"", 2, "\"10.0.0.9/26\""), ("80", -81, "-1"), ("\"x\"", 1, "\"x\"")]
        {
            assert_eq!(counted(text.as_bytes(), by), counts.as_bytes());
        }
    }
}
