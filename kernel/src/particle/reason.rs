//! Why a particle from another peer is not run. Its sender never learns of it.

use core::fmt;

/// In the order in which the checks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// `timestamp + ttl` is no number of 64 bits.
    Overflow,
    /// Its time was up when it came, or before its turn came.
    Expired,
    /// Its timestamp is further ahead of the node's clock than may be.
    Future,
    /// Its id is longer than one may be.
    LongId,
    /// Its script is longer than one may be.
    LongScript,
    /// Its data are more than may be.
    LongData,
    /// Its sender, or all senders together, have too much waiting here.
    QueueFull,
    /// Just these data were taken lately for the live particle.
    Duplicate,
    /// The live particle has too much mail that it has not read.
    MailFull,
    /// The particle's life here has ended before its time.
    Ended,
    /// Too many particles of its sender live, and none of them is idle.
    TooManyOfPeer,
    /// Too many particles live, and none is idle that would have to make room.
    TooMany,
    /// Its signature is not the author's.
    Signature,
    /// The machine's memory is short.
    Memory,
    /// Its script does not parse.
    Script,
}

impl DropReason {
    /// All of them, so that each has a line in the metrics from the start.
    pub const ALL: [Self; 15] = [
        Self::Overflow,
        Self::Expired,
        Self::Future,
        Self::LongId,
        Self::LongScript,
        Self::LongData,
        Self::QueueFull,
        Self::Duplicate,
        Self::MailFull,
        Self::Ended,
        Self::TooManyOfPeer,
        Self::TooMany,
        Self::Signature,
        Self::Memory,
        Self::Script,
    ];

    /// The value of the metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Expired => "expired",
            Self::Future => "future",
            Self::LongId => "long_id",
            Self::LongScript => "long_script",
            Self::LongData => "long_data",
            Self::QueueFull => "queue_full",
            Self::Duplicate => "duplicate",
            Self::MailFull => "mail_full",
            Self::Ended => "ended",
            Self::TooMany => "too_many",
            Self::TooManyOfPeer => "too_many_of_peer",
            Self::Memory => "memory",
            Self::Signature => "signature",
            Self::Script => "script",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
