//! cnitool
fn main() {}
