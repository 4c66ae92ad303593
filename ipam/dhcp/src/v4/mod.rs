//! DHCPv4 (RFC 2131, RFC 2132, RFC 3442, RFC 3397).

pub mod channel;
pub mod frame;
pub mod machine;
pub mod message;
pub mod reply;

/// The port of servers.
pub const SERVER_PORT: u16 = 67;
/// The port of clients.
pub const CLIENT_PORT: u16 = 68;
