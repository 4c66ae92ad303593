//! DHCPv6 (RFC 8415, RFC 3646).

pub mod channel;
pub mod machine;
pub mod message;
pub mod reply;

/// The port of servers.
pub const SERVER_PORT: u16 = 547;
/// The port of clients.
pub const CLIENT_PORT: u16 = 546;
