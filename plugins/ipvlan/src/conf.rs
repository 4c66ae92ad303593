//! The JSON of the configuration: shapes without defaults.

use cni::Dns;
use serde::Deserialize;

/// The keys of an ipvlan network. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub master: Option<String>,
    pub mode: Option<String>,
    pub flag: Option<String>,
    pub mtu: Option<i64>,
    pub link_in_container: bool,
    pub dns: Dns,
}
