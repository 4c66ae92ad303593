//! The JSON of the configuration: shapes without defaults.

use serde::Deserialize;

/// The keys of firewall. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub backend: Option<String>,
    pub iptables_admin_chain_name: Option<String>,
    pub firewalld_zone: Option<String>,
    pub ingress_policy: Option<String>,
}
