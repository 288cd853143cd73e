//! The `artesian` binary.
fn main() {}
