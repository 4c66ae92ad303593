//! The JSON of the configuration: shapes without defaults.

use cni::Dns;
use serde::Deserialize;

/// The keys of a host-device network. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Conf {
    pub device: Option<String>,
    pub hwaddr: Option<String>,
    pub kernelpath: Option<String>,
    #[serde(rename = "pciBusID")]
    pub pci_bus_id: Option<String>,
    #[serde(rename = "dpdkMode")]
    pub dpdk_mode: bool,
    pub dns: Dns,
    pub capabilities: Capabilities,
    #[serde(rename = "runtimeConfig")]
    pub runtime_config: RuntimeConfig,
}

/// `capabilities`: what the runtime may give in `runtimeConfig`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    #[serde(rename = "deviceID")]
    pub device_id: bool,
}

/// `runtimeConfig`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    #[serde(rename = "deviceID")]
    pub device_id: Option<String>,
}

impl Conf {
    /// Whether any key says which device it is.
    pub fn names_device(&self) -> bool {
        let keys = [&self.device, &self.hwaddr, &self.kernelpath, &self.pci_bus_id, &self.runtime_config.device_id];
        keys.into_iter().any(Option::is_some)
    }
}
