//! The JSON of the configuration: shapes without defaults.

use cni::Dns;
use serde::Deserialize;

/// The keys of a network of pairs. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub ip_masq: bool,
    pub ip_masq_backend: Option<String>,
    pub mtu: Option<i64>,
    pub dns: Dns,
}
