//! The live demonstration.
fn main() {}
