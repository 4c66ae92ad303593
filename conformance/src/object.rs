//! A JSON object whose values stay as they were written.
//!
//! A runtime hands a plugin's configuration on without understanding it. Decoding it to numbers and back would change
//! `12345678901234567890123` and `1.10`, so a value is kept as its text.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use std::fmt;

/// An object of JSON: keys in the order of the text, values as text. A key given twice counts as given last.
#[derive(Clone, Default)]
pub struct Object {
    fields: Vec<(String, Box<RawValue>)>,
}

impl Object {
    /// The object that `text` holds.
    ///
    /// # Errors
    /// What is not one JSON object.
    pub fn parse(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// The object without any key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.fields.iter().map(|(key, value)| (key.as_str(), &**value))
    }

    /// The value of exactly this key. `null` is as good as absent.
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.find(|candidate| candidate == key)
    }

    /// The value of a key in any case, as plugins look it up. `null` is as good as absent.
    pub fn get_any_case(&self, key: &str) -> Option<&RawValue> {
        self.find(|candidate| candidate.eq_ignore_ascii_case(key))
    }

    /// Sets a key, at its place if it is there and at the end if it is not.
    pub fn set(&mut self, key: &str, value: Box<RawValue>) {
        match self.fields.iter_mut().find(|(candidate, _)| candidate == key) {
            Some(field) => field.1 = value,
            None => self.fields.push((key.to_owned(), value)),
        }
    }

    /// Sets a key to a value of ours.
    ///
    /// # Errors
    /// A value that JSON cannot express, such as a map with keys that are not text.
    pub fn set_value(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
        self.set(key, to_raw_value(value)?);
        Ok(())
    }

    /// Removes the keys for which `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.fields.retain(|(key, _)| keep(key));
    }

    // The last one, as decoders that fold case see it.
    fn find(&self, matches: impl Fn(&str) -> bool) -> Option<&RawValue> {
        let found = self.fields.iter().rev().find(|(key, _)| matches(key));
        found.map(|(_, value)| &**value).filter(|value| value.get() != "null")
    }
}

/// The value that `raw` spells.
///
/// # Errors
/// A number that no 64-bit number is close to, or nesting deeper than 128.
pub(crate) fn value_of(raw: &RawValue) -> serde_json::Result<Value> {
    serde_json::from_str(raw.get())
}

/// The text that `raw` spells, if it is a string.
pub(crate) fn text_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Equal when keys, order and the text of the values are.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        let text = |(key, value): (&str, &RawValue)| (key.to_owned(), value.get().to_owned());
        self.iter().map(text).eq(other.iter().map(text))
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    // To the end: where decoders that fold case find it, behind a spelling that came in between.
                    object.fields.retain(|(earlier, _)| *earlier != key);
                    object.fields.push((key, value));
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Object {
        Object::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_of_any_size_keep_their_text() {
        let text = r#"{"a":12345678901234567890,"b":1.0,"c":123456789012345678901234567890,"d":1.10,"e":1e999,"f":"<\u0026>"}"#;
        assert_eq!(parse(text).to_string(), text);
    }

    #[test]
    fn key_given_twice_last_value_counts() {
        let object = parse(r#"{"a":1,"A":2,"a":3}"#);
        assert_eq!(object.to_string(), r#"{"A":2,"a":3}"#);
        assert_eq!(object.get_any_case("a").map(RawValue::get), Some("3"));
    }

    #[test]
    fn key_in_another_case_is_found_only_when_asked_for() {
        let object = parse(r#"{"Type":"x"}"#);
        assert!(object.get("type").is_none());
        assert_eq!(object.get_any_case("type").and_then(text_of).as_deref(), Some("x"));
    }

    #[test]
    fn null_counts_as_absent() {
        assert!(parse(r#"{"a": null}"#).get("a").is_none());
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for text in ["", "[]", "1", "null", "{", "{} {}", r#"{"a":}"#] {
            assert!(Object::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
