//! What can go wrong for a client.

use std::fmt;
use std::io;

use netstack::libp2p::particle::WriteError;
use netstack::libp2p::upgrade;

/// Why there is no connection, or why it did not take a particle.
#[derive(Debug)]
pub enum LinkError {
    /// The address does not end in `/p2p/` and the node's id.
    NoPeerId,
    /// An address that has to be looked up; a client here takes numbers only.
    NotNumeric,
    /// TCP does not get through.
    Connect(io::Error),
    /// The connection was not secured.
    Secure(upgrade::Error),
    /// The connection has ended.
    Gone,
    /// The node does not take particles.
    Refused,
    /// The particle could not be written.
    Write(WriteError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPeerId => f.write_str("the address does not end in /p2p/ and a peer id"),
            Self::NotNumeric => f.write_str("the address has to be one of IPv4 or IPv6"),
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Secure(error) => error.fmt(f),
            Self::Gone => f.write_str("the connection has ended"),
            Self::Refused => f.write_str("the node does not take particles"),
            Self::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LinkError {}

/// Why a particle was not answered.
#[derive(Debug)]
pub enum CallError {
    /// There was no answer before its deadline.
    Expired,
    /// The script failed here, with this code and message.
    Failed(i64, String),
    /// It could not be sent.
    Link(LinkError),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the particle expired before an answer came"),
            Self::Failed(code, message) => write!(f, "error {code}: {message}"),
            Self::Link(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl From<LinkError> for CallError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}
