//! Bounds on what a loader hands over.

/// Bytes kept of the command line. QEMU's PVH loader passes at most this many, Linux takes 2048.
pub const COMMAND_LINE_BYTES: usize = 4096;
/// Boot phases whose duration is kept.
pub const MAX_PHASES: usize = 24;
