//! The configured node of the Aleph network: messages, files and amendments from it, over plain HTTP.
//!
//! | module | what it does |
//! |---|---|
//! | [`http`](self) | [`HttpNode`]: requests over this node's network |
//! | [`fetch`] | messages, files, permissions, by name |
//! | [`known`] | what was fetched, for [`resolve`](crate::aleph::resolve) |
//! | [`poll`] | asks again and again what is new |
//! | [`follow`] | takes what is new from the WebSocket |
//! | [`install`] | fetches programs and has them hosted |
//! | [`page`] | the messages of an answer, one by one |
//!
//! The message node is trusted to be there and to tell what there is, not to tell the truth: what it hands
//! out is checked by hashes and signatures. It can withhold messages, newer versions and revoked permissions.

pub mod fetch;
mod follow;
mod http;
mod install;
mod known;
mod page;
mod places;
mod poll;
#[cfg(test)]
mod tests;

pub use follow::Follow;
pub use http::{HttpNode, NodeApi};
pub use install::{Install, Installer};
pub use known::Known;
pub use poll::{PollCounts, Poller};

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use futures_util::future::LocalBoxFuture;
use netstack::http::client::ClientError;

use crate::limits::{
    LARGE_MESSAGES_PER_PAGE, MAX_FETCHED_PAGE_BYTES, MAX_NODE_BACKOFF_MS, MIN_NODE_BACKOFF_MS,
};

/// What is asked of the message node. Object safe: who asks does not know of networks.
pub trait MessageNode {
    /// What is at `target`, a path with perhaps a query; at most `most` bytes.
    ///
    /// # Errors
    /// [`NodeError`]; a status other than 200 is one.
    fn get<'a>(
        &'a self,
        target: &'a str,
        most: usize,
    ) -> LocalBoxFuture<'a, Result<Vec<u8>, NodeError>>;
}

/// Why the message node gave nothing that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeError {
    /// It cannot be reached.
    Unreachable,
    /// It broke off, answered too slowly, or with something that is not HTTP.
    Http(ClientError),
    /// It answered with this status.
    Status(u16),
    /// The answer is not of the form that it should have.
    Malformed,
    /// There is no such message or file.
    NotFound,
    /// What it gave is not what it was asked for, by its hash.
    WrongHash,
    /// What it gave is named in a way that cannot be checked: the file was not cut as IPFS does by itself.
    Uncheckable,
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the message node cannot be reached",
            Self::Http(error) => return write!(f, "the message node: {error}"),
            Self::Status(status) => {
                return write!(f, "the message node answered with status {status}");
            }
            Self::Malformed => "the answer of the message node cannot be understood",
            Self::NotFound => "the message node does not have it",
            Self::WrongHash => "what the message node gave does not have the hash that it should",
            Self::Uncheckable => "what the message node gave has a hash that cannot be checked",
        })
    }
}

impl core::error::Error for NodeError {}

/// Bytes of a page of messages, on a machine that reads messages of up to so many bytes.
fn page_bytes(message_bytes: usize) -> usize {
    message_bytes.saturating_mul(LARGE_MESSAGES_PER_PAGE).min(MAX_FETCHED_PAGE_BYTES)
}

/// Pauses between attempts: each twice as long as the one before, up to a bound.
#[derive(Clone, Copy, Debug)]
struct Backoff(u64);

impl Backoff {
    const fn new() -> Self {
        Self(MIN_NODE_BACKOFF_MS)
    }

    /// The next pause, of which `random` takes away up to a half, so that nodes do not all come at once.
    fn next(&mut self, random: u8) -> Duration {
        let pause = self.0 - self.0 / 2 * u64::from(random) / 255;
        self.0 = (self.0 * 2).min(MAX_NODE_BACKOFF_MS);
        Duration::from_millis(pause)
    }
}

/// A byte drawn for [`Backoff::next`].
fn random(machine: &dyn crate::machine::Machine) -> u8 {
    let mut byte = [0];
    machine.fill_random(&mut byte);
    byte[0]
}
