//! The JSON of the configuration: shapes without defaults.

use serde::Deserialize;

/// The keys of portmap. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub snat: Option<bool>,
    pub masq_all: bool,
    pub mark_masq_bit: Option<i64>,
    pub external_set_mark_chain: Option<String>,
    #[serde(rename = "conditionsV4")]
    pub conditions_v4: Vec<String>,
    #[serde(rename = "conditionsV6")]
    pub conditions_v6: Vec<String>,
    pub backend: Option<String>,
    #[serde(rename = "hostIP")]
    pub host_ip: Option<String>,
    pub allow_in_use: bool,
    pub runtime_config: RuntimeConfig,
}

/// `runtimeConfig`: capabilities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimeConfig {
    pub port_mappings: Vec<PortMapping>,
}

/// A port of the host that leads to one of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortMapping {
    pub host_port: i64,
    pub container_port: i64,
    pub host_port_end: Option<i64>,
    pub container_port_end: Option<i64>,
    pub protocol: Option<String>,
    #[serde(rename = "hostIP")]
    pub host_ip: Option<String>,
}
