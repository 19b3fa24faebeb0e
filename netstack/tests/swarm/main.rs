//! The swarm over in-memory links with delays, cuts and hostile peers, in virtual time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod lives;
mod twenty;
mod two_peers;
mod world;
