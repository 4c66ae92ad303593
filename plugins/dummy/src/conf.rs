//! The JSON of the configuration: shapes without defaults.

use cni::Dns;
use serde::Deserialize;

/// The keys of a dummy network, beside `ipam`. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Conf {
    pub dns: Dns,
}
