//! The JSON of the configuration: shapes without defaults.

use serde::Deserialize;

/// The keys of vrf. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Conf {
    pub vrfname: Option<String>,
    pub table: Option<i64>,
}
