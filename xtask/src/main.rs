//! `cargo xtask`: build, run, test, bench, send.
fn main() {}
