//! Bounds on what WebSocket peers send, and on what is gathered for them.

/// Bytes of a request's or an answer's head.
pub const HEAD_BYTES: usize = 8 * 1024;
/// Header fields of a head.
pub const HEADERS: usize = 64;
/// Bytes of a control frame's payload (RFC 6455 section 5.5).
pub const CONTROL_BYTES: usize = 125;
/// Bytes gathered for one frame; the largest noise message fits.
pub const FRAME_PAYLOAD_BYTES: usize = 66 * 1024;
/// Frames without data that are read before other tasks get their turn.
pub const EMPTY_FRAMES_IN_A_ROW: usize = 64;
