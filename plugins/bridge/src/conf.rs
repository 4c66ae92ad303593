//! The JSON of the configuration: shapes without defaults.

use cni::Dns;
use serde::Deserialize;

/// The keys of a bridge network. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the configuration's keys")]
pub struct Conf {
    pub bridge: Option<String>,
    pub is_gateway: Option<bool>,
    pub is_default_gateway: Option<bool>,
    pub force_address: bool,
    pub ip_masq: Option<bool>,
    pub ip_masq_backend: Option<String>,
    pub mtu: Option<i64>,
    pub hairpin_mode: bool,
    pub promisc_mode: bool,
    pub vlan: Option<i64>,
    pub vlan_trunk: Option<Vec<Trunk>>,
    pub preserve_default_vlan: bool,
    pub macspoofchk: bool,
    pub enabledad: bool,
    pub disable_container_interface: bool,
    pub port_isolation: bool,
    pub ephemeral: bool,
    pub gateway_mode: Option<String>,
    #[serde(rename = "gatewayModeIPv4")]
    pub gateway_mode_ipv4: Option<String>,
    #[serde(rename = "gatewayModeIPv6")]
    pub gateway_mode_ipv6: Option<String>,
    pub internal: bool,
    pub icc: Option<bool>,
    pub isolated: bool,
    pub trusted_interfaces: Vec<String>,
    pub snat_to: Vec<String>,
    pub dns: Dns,
    pub args: Args,
    pub runtime_config: RuntimeConfig,
}

/// An entry of `vlanTrunk`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Trunk {
    pub id: Option<i64>,
    #[serde(rename = "minID")]
    pub min_id: Option<i64>,
    #[serde(rename = "maxID")]
    pub max_id: Option<i64>,
}

/// `args`: whatever else it holds is somebody else's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Args {
    pub cni: CniArgs,
}

/// `args.cni`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CniArgs {
    pub mac: Option<String>,
}

/// `runtimeConfig`: capabilities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    pub mac: Option<String>,
}

impl Conf {
    /// The bridge's name.
    pub fn bridge(&self) -> &str {
        self.bridge.as_deref().unwrap_or("cni0")
    }
}
