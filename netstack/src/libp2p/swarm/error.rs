//! Why a peer was not reached.

use core::fmt;

/// Why there is no connection with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The peer is this node.
    Itself,
    /// It is not connected, and no address of it is known.
    NoAddress,
    /// Dialing it has failed lately; it is not dialed again so soon.
    BackedOff,
    /// As many peers as may are being dialed or wait for it, or all connections are taken.
    Exhausted,
    /// None of its addresses led to it.
    Unreachable,
    /// The swarm is shut down.
    Stopped,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Itself => "the peer is this node",
            Self::NoAddress => "no address of the peer is known",
            Self::BackedOff => "the peer could not be reached a moment ago",
            Self::Exhausted => "too many connections or dials",
            Self::Unreachable => "none of the peer's addresses led to it",
            Self::Stopped => "the swarm is shut down",
        })
    }
}

impl core::error::Error for ConnectError {}

/// Why a particle was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no connection with the peer.
    NotConnected(ConnectError),
    /// The message is longer than [`super::Limits::max_particle_bytes`].
    TooLarge,
    /// As many particles as may, or as many bytes, wait for this peer or for all peers together.
    QueueFull,
    /// The peer does not speak the particle protocol.
    Refused,
    /// The connection ended, or the peer reset the stream, before all was written and taken.
    Lost,
    /// It took longer than [`super::limits::SEND_TIMEOUT`].
    TimedOut,
}

impl SendError {
    /// Every value of [`Self::reason`].
    pub const REASONS: [&'static str; 6] =
        ["not_connected", "too_large", "queue_full", "refused", "lost", "timed_out"];

    /// The reason as a word, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotConnected(_) => "not_connected",
            Self::TooLarge => "too_large",
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::TimedOut => "timed_out",
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(error) => write!(f, "not connected: {error}"),
            Self::TooLarge => f.write_str("the message is too long"),
            Self::QueueFull => f.write_str("too much waits to be sent"),
            Self::Refused => f.write_str("the peer does not take particles"),
            Self::Lost => f.write_str("the connection was lost"),
            Self::TimedOut => f.write_str("it took too long"),
        }
    }
}

impl core::error::Error for SendError {}

impl From<ConnectError> for SendError {
    fn from(error: ConnectError) -> Self {
        Self::NotConnected(error)
    }
}
