//! Bounds of a yamux connection.

use crate::time::Duration;

/// Window of a new stream, each way: fixed by the protocol.
pub const WINDOW_BYTES: u32 = 256 * 1024;
/// Payload of a frame that is sent: what rust peers send too, and far below what any refuses.
pub const SENT_FRAME_BYTES: usize = 16 * 1024;
/// Payload that a received frame may announce.
pub const MAX_FRAME_BYTES: u32 = 1024 * 1024;
/// Bytes that leave in one write: the largest plaintext of one noise message.
pub const BATCH_BYTES: usize = 65519;
/// Streams that are open because the peer opened them.
pub const MAX_STREAMS_IN: usize = 1000;
/// Streams that are open because this side opened them.
pub const MAX_STREAMS_OUT: usize = 1000;
/// Streams of ours that the peer has not acknowledged: rust peers allow this many.
pub const MAX_UNACKNOWLEDGED: usize = 256;
/// Streams that are finished here but not by the peer; the oldest beyond that are reset.
pub const MAX_LINGERING: usize = 64;
/// Refusals of streams that wait to be sent.
pub const MAX_QUEUED_REFUSALS: usize = 256;
/// Answers to pings that wait to be sent.
pub const MAX_QUEUED_PONGS: usize = 32;
/// Received bytes that the streams of a connection hold for their readers.
pub const RECEIVE_BYTES: usize = 512 * 1024;
/// What a stream counts for in memory that connections share: its state and its places in tables, as
/// `tests/yamux_memory.rs` measures them.
pub const STREAM_BYTES: usize = 256;
/// Streams that the peer may open although others have taken all memory that connections share.
pub const GUARANTEED_STREAMS_IN: usize = 64;
/// Received bytes that a connection may hold although others have taken all memory that they share.
pub const GUARANTEED_RECEIVE_BYTES: usize = 16 * 1024;
/// Bytes that the streams of a connection hold until they are sent.
pub const SEND_BYTES: usize = 256 * 1024;
/// Bytes that one stream holds until they are sent.
pub const STREAM_SEND_BYTES: usize = SENT_FRAME_BYTES;
/// Bytes that a stream may hold although the others hold all of [`SEND_BYTES`].
pub const STREAM_LEAST_SEND_BYTES: usize = 512;
/// Bytes that an idle connection waits with.
pub const IDLE_READ_BYTES: usize = 256;
/// Bytes read at once from a busy connection.
pub const BUSY_READ_BYTES: usize = 16 * 1024;
/// Reads from a connection, none of which had to wait, before other tasks get their turn.
pub const READS_IN_A_ROW: usize = 16;
/// How long a full receive buffer may stay full, and a write may take.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last frames and the end of the connection may take.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// Bounds that the owner of a connection may choose; the defaults are this module's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams that are open because the peer opened them; more are refused, and fewer may be where
    /// connections share memory.
    pub streams_in: usize,
    /// Streams that are open because this side opened them; opening more waits.
    pub streams_out: usize,
    /// Streams of ours that the peer has not acknowledged; opening more waits.
    pub unacknowledged: usize,
    /// Received bytes that all streams hold for their readers; less than [`GUARANTEED_RECEIVE_BYTES`]
    /// means as many.
    pub receive_bytes: usize,
    /// Bytes that all streams hold until they are sent, [`STREAM_LEAST_SEND_BYTES`] of each excepted.
    pub send_bytes: usize,
    /// How long a full receive buffer may stay full, and one write may take.
    pub stall_timeout: Duration,
    /// How often to ask a peer whether it is there; none: TCP's own probing is enough.
    pub keep_alive: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_in: MAX_STREAMS_IN,
            streams_out: MAX_STREAMS_OUT,
            unacknowledged: MAX_UNACKNOWLEDGED,
            receive_bytes: RECEIVE_BYTES,
            send_bytes: SEND_BYTES,
            stall_timeout: STALL_TIMEOUT,
            keep_alive: None,
        }
    }
}
