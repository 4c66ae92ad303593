//! Errors of the layers below as the protocol's.

use cni::{Code, Error};
use net::Errno;

/// What rtnetlink refused. For use with `map_err`.
pub fn kernel(error: net::Error) -> Error {
    let is_taken = error.is_exists() || error.errno == Errno::EADDRINUSE;
    let code = if is_taken { Code::InUse } else { Code::Kernel };
    Error::new(code, error.to_string()).details(error.extack.unwrap_or_default())
}

/// Why STATUS says no. For use with `map_err`.
pub fn not_ready(error: Error) -> Error {
    Error { code: Code::NotReady, ..error }
}

/// What `nf_tables` refused. For use with `map_err`.
pub fn firewall(error: nft::Error) -> Error {
    let code = if error.is_exists() { Code::InUse } else { Code::Kernel };
    Error::new(code, error.to_string()).details(error.extack.unwrap_or_default())
}
