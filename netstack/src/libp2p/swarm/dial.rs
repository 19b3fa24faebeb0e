//! How a node reaches an address.

use core::fmt;
use core::future::Future;

use crate::libp2p::Multiaddr;
use crate::{ConnectError, ResolveError, Split};

/// Something that opens byte streams to addresses: a network.
pub trait Dial {
    /// What it opens.
    type Stream: Split + 'static;

    /// Opens a byte stream to the host and port of `address`. What runs over it, WebSocket included, is
    /// the caller's part, and so is a deadline: dropping the future gives the attempt up.
    ///
    /// # Errors
    /// [`DialError`].
    fn dial(&self, address: &Multiaddr) -> impl Future<Output = Result<Self::Stream, DialError>>;
}

/// Why an address could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialError {
    /// This network does not reach addresses of that kind.
    Unsupported,
    /// The name has no address of the kind that was asked for.
    NotResolved,
    /// Too much is under way at once.
    Exhausted,
    /// Nobody answered there, or the connection was refused.
    Refused,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "not an address that this node can reach",
            Self::NotResolved => "the name was not resolved",
            Self::Exhausted => "too many connections or look-ups at once",
            Self::Refused => "nobody answered",
        })
    }
}

impl core::error::Error for DialError {}

impl From<ResolveError> for DialError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Busy => Self::Exhausted,
            ResolveError::BadName | ResolveError::NotFound => Self::NotResolved,
        }
    }
}

impl From<ConnectError> for DialError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unaddressable => Self::Unsupported,
            ConnectError::Exhausted => Self::Exhausted,
            ConnectError::Refused => Self::Refused,
        }
    }
}
