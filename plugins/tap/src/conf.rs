//! The JSON of the configuration: shapes without defaults.

use cni::Dns;
use serde::Deserialize;

/// The keys of a tap network, beside `ipam`. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub multi_queue: bool,
    pub mtu: Option<i64>,
    pub mac: Option<String>,
    pub owner: Option<i64>,
    pub group: Option<i64>,
    pub selinux_context: Option<String>,
    pub bridge: Option<String>,
    pub dns: Dns,
    pub runtime_config: RuntimeConfig,
}

/// `runtimeConfig`: capabilities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    pub mac: Option<String>,
}
