//! The JSON of the configuration: shapes without defaults.

use serde::Deserialize;

/// The keys of sbr. The README says what each means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conf {
    pub table: Option<i64>,
    pub gateways: Option<Vec<String>>,
    pub add_source_hints: bool,
}
