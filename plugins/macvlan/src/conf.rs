//! The JSON of the configuration: shapes without defaults.

use cni::Dns;
use serde::Deserialize;

/// The keys of a macvlan network. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub master: Option<String>,
    pub mode: Option<String>,
    pub mtu: Option<i64>,
    pub mac: Option<String>,
    pub link_in_container: bool,
    #[serde(rename = "bcqueuelen")]
    pub bc_queue_len: Option<i64>,
    pub dns: Dns,
    pub runtime_config: RuntimeConfig,
}

/// `runtimeConfig`: capabilities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    pub mac: Option<String>,
}
