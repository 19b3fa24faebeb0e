//! Bounds of one interpretation, beyond those that the language itself has.
//!
//! The reference has no such bounds (it traps when its stack or memory ends). Reaching one is an
//! uncatchable error of its own code, [`FRAMES_EXCEEDED`] and following, so the particle's stored
//! data stay as they were.

/// Values in one stream or stream map from which on an insertion fails (air-language §4.4).
pub const STREAM_SIZE_LIMIT: usize = 1024;

/// Instructions that may be open inside each other: nested ones, and one for each running `next`.
pub const DEFAULT_MAX_FRAMES: usize = 1 << 20;

/// States that a result trace may have.
pub const DEFAULT_MAX_TRACE_LEN: usize = 1 << 22;

/// Bytes that one step may add: values, trace states, requests (an estimate, not the allocator's count).
pub const DEFAULT_MEMORY_LIMIT: usize = 256 << 20;

/// The text of a value in a message may take one in so many bytes of the memory that the step may add:
/// messages are copied, and become parts of values and messages again. Peers see messages, in error
/// objects and the hashes of arguments, so longer values are shortened only where memory demands it.
pub const SHOWN_TEXT_PART: usize = 256;

/// What a value's text in a message may take in any case.
pub const MIN_SHOWN_BYTES: usize = 16 << 10;

/// The text of one value that a step stores may take one in so many bytes of the memory that the step
/// may add: it is held more than once while it is made.
pub const STORED_TEXT_PART: usize = 4;

/// Calls whose arguments a session remembers with their hashes.
pub const REMEMBERED_CALLS: usize = 1024;

/// Memory that all arguments that a session remembers take at most, in bytes.
pub const REMEMBERED_ARGUMENT_BYTES: usize = 256 << 10;

/// Instructions open inside each other at a checkpoint.
pub const CHECKPOINT_FRAMES: usize = 4096;

/// Memory of an execution up to a checkpoint, which is kept with it: bytes, estimated.
pub const CHECKPOINT_MEMORY: usize = 4 << 20;

/// Checkpoints that a step makes before folds over streams, of which it leaves one at most.
pub const CHECKPOINTS_BEFORE_FOLDS: usize = 16;

/// Code of the error: more than [`ExecutionLimits::max_frames`] open instructions.
pub const FRAMES_EXCEEDED: i64 = 40000;
/// Code of the error: the result trace would be longer than [`ExecutionLimits::max_trace_len`].
pub const TRACE_EXCEEDED: i64 = 40001;
/// Code of the error: the step would need more than [`ExecutionLimits::memory`].
pub const MEMORY_EXCEEDED: i64 = 40002;
/// Code of the error: a value made by the script (a canon as an array, an error object) would nest too
/// deep to be read by any peer.
pub const DEPTH_EXCEEDED: i64 = 40003;

/// What one step may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionLimits {
    /// Instructions open inside each other.
    pub max_frames: usize,
    /// States in the result trace.
    pub max_trace_len: usize,
    /// Bytes that the step adds to what there was before, estimated.
    pub memory: usize,
}

impl Default for ExecutionLimits {
    fn default() -> Self {
        Self {
            max_frames: DEFAULT_MAX_FRAMES,
            max_trace_len: DEFAULT_MAX_TRACE_LEN,
            memory: DEFAULT_MEMORY_LIMIT,
        }
    }
}
