//! Decoding as tolerant as Go's: what the runtimes send was only ever read by `encoding/json`.
//!
//! Keys are matched without regard to case (containerd sends `HostPort`), `null` and `""` leave an optional value
//! unset, a `null` list is empty, unknown keys are ignored and the last of two equal keys wins. A value of the wrong
//! type is an error that names the key. Keys of maps (as opposed to structs) stay as they are.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use crate::{Code, Error};

/// Reads a JSON document as Go does.
pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(bytes).or_else(|error| serde_json::from_slice(&tamed(bytes)).map_err(|_| error))
}

/// The document without what is JSON to Go but not to `serde_json`: a number that no `f64` can be becomes a text, which
/// the key of a number does not take, and half a surrogate pair becomes U+FFFD.
fn tamed(bytes: &[u8]) -> Vec<u8> {
    let mut tamed = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut in_text = false;
    while let Some(first) = rest.first() {
        let (length, instead) = match first {
            b'"' => {
                in_text = !in_text;
                (1, None)
            }
            b'\\' if in_text => escape(rest),
            b'-' | b'0'..=b'9' if !in_text => number(rest),
            _ => (1, None),
        };
        let (token, behind) = rest.split_at(length.min(rest.len()));
        tamed.extend_from_slice(instead.as_deref().unwrap_or(token));
        rest = behind;
    }
    tamed
}

/// How long the escape is that the text begins with, and what to write in its place.
fn escape(text: &[u8]) -> (usize, Option<Vec<u8>>) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match (unit(0), unit(6)) {
        (None, _) => (2, None),
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, None),
        (Some(0xD800..=0xDFFF), _) => (6, Some(b"\\ufffd".to_vec())),
        _ => (6, None),
    }
}

/// The same of a number.
fn number(text: &[u8]) -> (usize, Option<Vec<u8>>) {
    let length = text.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')).count();
    let written = text.get(..length).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
    let endless = written.parse::<f64>().is_ok_and(f64::is_infinite);
    (length, endless.then(|| format!("\"{written}\"").into_bytes()))
}

/// Reads `value` as a `T`.
pub fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    T::deserialize(Loose(value))
}

/// Reads the section `key` of a network configuration, of which `value` is all.
///
/// # Errors
/// Code 6 for a value of the wrong type, with the path of its key.
pub fn section<T: DeserializeOwned>(key: &str, value: &Value) -> crate::Result<T> {
    decode(value)
        .map_err(|misfit| Error::new(Code::Decode, format!("decode network configuration \"{key}\": {misfit}")))
}

/// The value of `key` in `object`, in any case; the exact spelling goes before others, a later key before an earlier.
pub fn lookup<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    let map = object.as_object()?;
    map.get(key)
        .or_else(|| map.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

/// A value that does not fit, with the path of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    path: String,
    problem: String,
}

impl Misfit {
    fn under(mut self, key: &str) -> Self {
        let gap = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{key}{gap}{}", self.path);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "\"{}\": ", self.path)?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self { path: String::new(), problem: problem.to_string() }
    }
}

/// A JSON value that reads itself tolerantly.
#[derive(Clone, Copy)]
struct Loose<'a>(&'a Value);

impl<'de> Deserializer<'de> for Loose<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Object(map) => visitor.visit_map(Entries::all(map)),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(whole), ..) => visitor.visit_u64(whole),
                (_, Some(whole), _) => visitor.visit_i64(whole),
                (.., fraction) => visitor.visit_f64(fraction.unwrap_or(f64::NAN)),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            Value::String(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_seq(Items { items: &[], next: 0 }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_map(Entries { pairs: Vec::new(), next: 0 }),
            Value::Object(map) => visitor.visit_map(Entries::of_struct(map, fields)),
            other => Err(de::Error::invalid_type(unexpected(other), &"an object")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.0.deserialize_enum(name, variants, visitor).map_err(|error| de::Error::custom(error.to_string()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map identifier ignored_any
    }
}

fn unexpected(value: &Value) -> de::Unexpected<'_> {
    match value {
        Value::Null => de::Unexpected::Unit,
        Value::Bool(flag) => de::Unexpected::Bool(*flag),
        Value::Number(number) => number.as_i64().map_or(de::Unexpected::Other("number"), de::Unexpected::Signed),
        Value::String(text) => de::Unexpected::Str(text),
        Value::Array(_) => de::Unexpected::Seq,
        Value::Object(_) => de::Unexpected::Map,
    }
}

/// The items of an array.
struct Items<'a> {
    items: &'a [Value],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let place = format!("[{}]", self.next);
        self.next += 1;
        seed.deserialize(Loose(item)).map(Some).map_err(|misfit| misfit.under(&place))
    }
}

/// The entries of an object.
struct Entries<'a> {
    pairs: Vec<(&'a str, &'a Value)>,
    next: usize,
}

impl<'a> Entries<'a> {
    fn all(map: &'a Map<String, Value>) -> Self {
        Self { pairs: map.iter().map(|(key, value)| (key.as_str(), value)).collect(), next: 0 }
    }

    /// The keys that the struct knows, by the names that it knows them by; `null` is as good as absent.
    fn of_struct(map: &'a Map<String, Value>, fields: &'static [&'static str]) -> Self {
        let mut pairs: Vec<(&'a str, &'a Value)> = Vec::new();
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(key)) else { continue };
            pairs.retain(|(name, _)| name != field);
            pairs.push((field, value));
        }
        Self { pairs, next: 0 }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some((key, _)) = self.pairs.get(self.next) else { return Ok(None) };
        let key: de::value::StrDeserializer<'_, Misfit> = (*key).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some((key, value)) = self.pairs.get(self.next) else {
            return Err(de::Error::custom("a value without its key"));
        };
        self.next += 1;
        seed.deserialize(Loose(value)).map_err(|misfit| misfit.under(key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Inner {
        range_start: Option<String>,
        size: u32,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Conf {
        data_dir: Option<String>,
        flag: bool,
        list: Vec<Inner>,
        sysctl: BTreeMap<String, String>,
        inner: Inner,
        mtu: Option<i64>,
    }

    fn read(value: &Value) -> Conf {
        decode(value).unwrap()
    }

    #[test]
    fn keys_match_in_any_case_at_every_level() {
        let conf = read(&json!({"DataDir": "/x", "LIST": [{"RangeStart": "a", "sIzE": 3}], "Inner": {"SIZE": 4}}));
        assert_eq!(conf.data_dir.as_deref(), Some("/x"));
        assert_eq!(conf.list, [Inner { range_start: Some("a".into()), size: 3 }]);
        assert_eq!(conf.inner.size, 4);
    }

    #[test]
    fn null_empty_text_and_absent_are_unset() {
        let unset = Conf::default();
        assert_eq!(read(&json!({})), unset);
        assert_eq!(read(&json!({"dataDir": null, "flag": null, "list": null, "sysctl": null, "inner": null})), unset);
        assert_eq!(read(&json!({"dataDir": "", "list": [], "inner": {"rangeStart": ""}})), unset);
    }

    #[test]
    fn unknown_keys_are_ignored_whatever_they_hold() {
        assert_eq!(read(&json!({"x": [{"y": 1.5}], "args": {"deep": {"er": null}}})), Conf::default());
    }

    #[test]
    fn last_of_equal_keys_wins_also_in_another_case() {
        let value = serde_json::from_str(r#"{"mtu": 1, "mtu": 2, "MTU": 3}"#).unwrap();
        assert_eq!(read(&value).mtu, Some(3));
    }

    #[test]
    fn keys_of_maps_keep_their_case() {
        assert_eq!(read(&json!({"sysctl": {"net.A": "1"}})).sysctl["net.A"], "1");
    }

    #[test]
    fn misfits_name_the_key_and_the_value() {
        let error = |value| decode::<Conf>(&value).unwrap_err().to_string();
        assert_eq!(error(json!({"flag": "yes"})), "\"flag\": invalid type: string \"yes\", expected a boolean");
        assert_eq!(
            error(json!({"list": [{}, {"size": -1}]})),
            "\"list[1].size\": invalid value: integer `-1`, expected u32"
        );
        assert_eq!(error(json!({"inner": 7})), "\"inner\": invalid type: integer `7`, expected an object");
        assert_eq!(error(json!([1])), "invalid type: sequence, expected an object");
    }

    #[test]
    fn documents_are_read_as_go_reads_them() {
        for (document, expected) in [
            (r#"{"a":1e400,"b":[-1E+400,1e-400,7]}"#, json!({"a": "1e400", "b": ["-1E+400", 0.0, 7]})),
            (
                r#"["\ud800","\udc00x","\ud83d\ude00\ud800\u0041","\\ud800 1e400 \"1e400"]"#,
                json!(["\u{fffd}", "\u{fffd}x", "\u{1F600}\u{fffd}A", "\\ud800 1e400 \"1e400"]),
            ),
        ] {
            assert_eq!(parse(document.as_bytes()).unwrap(), expected, "{document}");
        }
        for junk in
            ["", "{", "[1e400", r#"["\ud80"]"#, r#"["\ud800]"#, "1e400e", r#"{"a":1e400}}"#, "[1e400 2]", "\"\\"]
        {
            assert!(parse(junk.as_bytes()).is_err(), "{junk}");
        }
        assert!(decode::<Conf>(&parse(br#"{"mtu":1e400}"#).unwrap()).is_err());
    }

    #[test]
    fn lookup_prefers_the_exact_spelling() {
        let object = json!({"NAME": "a", "name": "b", "gone": null});
        assert_eq!(lookup(&object, "name"), Some(&json!("b")));
        assert_eq!(lookup(&object, "Name"), Some(&json!("b")));
        assert_eq!(lookup(&object, "gone"), None);
    }
}
