//! portmap
fn main() {}
