//! JSON with a structure that can be changed into what [`Value`] cannot hold: a key twice, half a surrogate, bytes that
//! are no UTF-8.

use serde_json::Value;

/// A document, or a part of one. Leaves and keys are text as it stands in the document, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Leaf(Vec<u8>),
    List(Vec<Document>),
    Map(Vec<(Vec<u8>, Document)>),
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => {
                let entry = |(key, value): (&String, &Value)| (serde_json::to_vec(key).unwrap(), Self::from(value));
                Self::Map(map.iter().map(entry).collect())
            }
            leaf => Self::Leaf(leaf.to_string().into_bytes()),
        }
    }
}

impl Document {
    /// The document as it is sent.
    pub fn text(&self) -> Vec<u8> {
        let joined = |parts: Vec<Vec<u8>>| parts.join(&b","[..]);
        match self {
            Self::Leaf(text) => text.clone(),
            Self::List(items) => [b"[", &joined(items.iter().map(Self::text).collect())[..], b"]"].concat(),
            Self::Map(entries) => {
                let entry = |(key, value): &(Vec<u8>, Self)| [&key[..], b":", &value.text()].concat();
                [b"{", &joined(entries.iter().map(entry).collect())[..], b"}"].concat()
            }
        }
    }

    /// How many parts it has, itself included.
    pub fn size(&self) -> usize {
        1 + self.children().map(Self::size).sum::<usize>()
    }

    /// Its part of this number, from 0 to less than [`size`](Self::size).
    pub fn part(&mut self, number: usize) -> &mut Self {
        let mut before = 1;
        if number == 0 {
            return self;
        }
        let children: Vec<&mut Self> = match self {
            Self::Leaf(_) => Vec::new(),
            Self::List(items) => items.iter_mut().collect(),
            Self::Map(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
        };
        for child in children {
            let size = child.size();
            if number < before + size {
                return child.part(number - before);
            }
            before += size;
        }
        panic!("no part {number}")
    }

    /// The list or map that the part of this number, which is not 0, is directly in, and its place there.
    pub fn place(&mut self, number: usize) -> (&mut Self, usize) {
        let mut before = 1;
        let sizes: Vec<usize> = self.children().map(Self::size).collect();
        for (place, size) in sizes.into_iter().enumerate() {
            if number == before {
                return (self, place);
            }
            if number < before + size {
                return self.child(place).place(number - before);
            }
            before += size;
        }
        panic!("no part {number}")
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Leaf(_) => Box::new(std::iter::empty()),
            Self::List(items) => Box::new(items.iter()),
            Self::Map(entries) => Box::new(entries.iter().map(|(_, value)| value)),
        }
    }

    fn child(&mut self, place: usize) -> &mut Self {
        match self {
            Self::Leaf(_) => panic!("a leaf has no parts"),
            Self::List(items) => &mut items[place],
            Self::Map(entries) => &mut entries[place].1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_part_is_found_with_its_place() {
        let value = json!({ "a": [1, { "b": 2 }], "c": null });
        let mut document = Document::from(&value);
        assert_eq!(document.text(), value.to_string().into_bytes());
        assert_eq!(document.size(), 6);
        let texts: Vec<_> = (0..6).map(|n| String::from_utf8(document.part(n).text()).unwrap()).collect();
        assert_eq!(texts[1..], [r#"[1,{"b":2}]"#, "1", r#"{"b":2}"#, "2", "null"]);
        let places: Vec<_> = (1..6).map(|n| document.place(n).1).collect();
        assert_eq!(places, [0, 0, 1, 0, 1]);
    }
}
