//! The JSON of the configuration: shapes without defaults.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

/// Where the reference keeps what it has changed, too.
const DATA_DIR: &str = "/run/cni/tuning";

/// The keys of tuning. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub sysctl: Pairs,
    pub mac: Option<String>,
    pub promisc: Option<bool>,
    pub mtu: Option<i64>,
    pub allmulti: Option<bool>,
    pub tx_q_len: Option<i64>,
    data_dir: Option<String>,
    pub args: Args,
    pub runtime_config: RuntimeConfig,
}

/// `args`: whatever else it holds is somebody else's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Args {
    pub cni: CniArgs,
}

/// `args.cni`: goes before the keys of the same names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CniArgs {
    pub sysctl: Pairs,
    pub mac: Option<String>,
    pub promisc: Option<bool>,
    pub mtu: Option<i64>,
    pub allmulti: Option<bool>,
    pub tx_q_len: Option<i64>,
}

/// `runtimeConfig`: capabilities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    pub mac: Option<String>,
}

impl Conf {
    /// The directory of what has been changed.
    pub fn data_dir(&self) -> &Path {
        Path::new(self.data_dir.as_deref().unwrap_or(DATA_DIR))
    }
}

/// An object of texts, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    /// `null` is the empty text, as it is to Go.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Option<String>>()? {
            pairs.push((key, value.unwrap_or_default()));
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_match_in_any_case_and_sysctls_keep_their_order() {
        let conf: Conf = cni::json::decode(&json!({"SYSCTL": {"z": "1", "a": "2", "n": null}, "TxQLen": 5,
            "DATADIR": "/x", "Args": {"CNI": {"AllMulti": true}}, "RuntimeConfig": {"MAC": ""}}))
        .unwrap();
        let pairs = [("z", "1"), ("a", "2"), ("n", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(conf.sysctl, Pairs(pairs.to_vec()));
        assert_eq!(
            (conf.tx_q_len, conf.args.cni.allmulti, conf.runtime_config.mac.as_deref()),
            (Some(5), Some(true), None)
        );
        assert_eq!(conf.data_dir(), Path::new("/x"));
    }

    #[test]
    fn unset_is_the_default_in_every_form() {
        for document in
            [json!({}), json!({"sysctl": null, "dataDir": "", "args": {"cni": null}, "runtimeConfig": null})]
        {
            let conf: Conf = cni::json::decode(&document).unwrap();
            assert_eq!((conf.data_dir(), &conf.sysctl), (Path::new("/run/cni/tuning"), &Pairs::default()));
        }
        let number = cni::json::decode::<Conf>(&json!({"sysctl": {"net.core.somaxconn": 5}})).unwrap_err();
        assert_eq!(number.to_string(), "\"sysctl.net.core.somaxconn\": invalid type: integer `5`, expected a string");
    }
}
