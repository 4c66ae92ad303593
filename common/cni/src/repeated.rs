//! Keys that an object has twice. A [`serde_json::Value`] holds only the last of them, so the bytes are read once more.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The first key that the object at `path` has a second time. The keys of the path match in any case.
pub(crate) fn key(bytes: &[u8], path: &[&str]) -> Option<String> {
    let mut found = None;
    let looked = At { path, found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    if let Err(error) = looked {
        // Whoever reads the document tells what is wrong with it.
        log::debug!("look for duplicated keys: {error}");
    }
    found
}

/// A value, and where in it the object is.
struct At<'a> {
    path: &'a [&'a str],
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            match self.path.split_first() {
                Some((first, rest)) if first.eq_ignore_ascii_case(&key) => {
                    map.next_value_seed(At { path: rest, found: &mut *self.found })?;
                    continue;
                }
                None if !seen.insert(key.clone()) => {
                    self.found.get_or_insert(key);
                }
                _ => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        IgnoredAny.visit_seq(seq).map(drop)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    fn key(document: &str, path: &[&str]) -> Option<String> {
        super::key(document.as_bytes(), path)
    }

    #[test]
    fn the_first_repeated_key_is_found() {
        let document = r#"{"x":{"b":1,"b":2},"Args":{"CNI":{"s":{"a":"1","b":{},"c":[1],"b":null,"a":"2"}}}}"#;
        assert_eq!(key(document, &["args", "cni", "s"]).as_deref(), Some("b"));
        assert_eq!(key(document, &["x"]).as_deref(), Some("b"));
        assert_eq!(key(document, &["args"]), None);
        assert_eq!(key(document, &[]), None);
    }

    #[test]
    fn keys_differ_by_case_and_come_once() {
        assert_eq!(key(r#"{"s":{"a":1,"A":2}}"#, &["s"]), None);
        assert_eq!(key(r#"{"s":{"a":1},"s":{"a":2}}"#, &["s"]), None);
        assert_eq!(key(r#"{"s":{"\u0061":1,"a":2}}"#, &["s"]).as_deref(), Some("a"));
    }

    #[test]
    fn other_values_in_the_way_and_junk_are_passed_over() {
        let document = r#"{"s":[{"a":1,"a":1}],"s":null,"s":true,"s":-1,"s":1,"s":1.5,"s":"x","S":{"a":1,"a":1}}"#;
        assert_eq!(key(document, &["s"]).as_deref(), Some("a"));
        for junk in ["", "{", "[]", "null", r#"{"s":{"a""#] {
            assert_eq!(key(junk, &["s"]), None, "{junk}");
        }
        assert_eq!(key(r#"{"n":1e400,"s":{"a":1,"a":1}}"#, &["s"]).as_deref(), Some("a"));
    }
}
