//! What a program's host says to its guest over vsock, and hears from it: bytes, both ways.
//!
//! | on | from | bytes | functions |
//! |---|---|---|---|
//! | port 52 of the host | guest | ready, then close | [`READY`] |
//! | port 52 of the guest, first connection | host | decimal length, line feed, configuration | [`configuration_length`], [`Configuration::decode`] |
//! | | guest | whether it is good, in one packet | [`configured`], [`refused`] |
//! | port 52 of the guest, later ones | host | a run, or `halt`; the first byte tells | [`Kind::of`], [`complete_length`], [`Run::decode`] |
//! | | guest | the reply, then close | [`http_reply`], [`event_reply`], [`error_reply`] |
//! | | guest | `STOP` and `STOPZ`, then close | [`STOPPING`], [`STOPPED`] |
//!
//! All but the length line and `halt` is MessagePack. Keys are read in any order; unknown ones are ignored,
//! missing ones are nil. Nothing is read deeper or longer than the bounds in [`limits`](crate::aleph::limits).

mod configuration;
mod pack;
mod run;
#[cfg(test)]
mod tests;

pub use configuration::{Configuration, Volume, configuration_length, configured, refused};
pub use pack::{PackError, complete_length};
pub use run::{Kind, Run, error_reply, event_reply, http_reply};

/// Says that the guest listens, and that it speaks version 2.0.0: `{"version":"2.0.0"}`.
pub const READY: &[u8] = b"\x81\xa7version\xa52.0.0";
/// The first line of the answer to `halt`.
pub const STOPPING: &[u8] = b"STOP\n";
/// The second, when all is written.
pub const STOPPED: &[u8] = b"STOPZ\n";
