//! Errors of the layers below as the protocol's.

use cni::{Code, Error};

/// What rtnetlink refused. For use with `map_err`.
pub fn kernel(error: net::Error) -> Error {
    let code = if error.is_exists() { Code::InUse } else { Code::Kernel };
    Error::new(code, error.to_string()).details(error.extack.unwrap_or_default())
}

/// What `nf_tables` refused. For use with `map_err`.
pub fn firewall(error: nft::Error) -> Error {
    let code = if error.is_exists() { Code::InUse } else { Code::Kernel };
    Error::new(code, error.to_string()).details(error.extack.unwrap_or_default())
}
