//! Bounds on data that come from elsewhere.

/// Most peers that may have signed a particle's data. Each costs a verification of some 50 µs, so this
/// bounds what hostile data can cost; honest scripts name a few dozen peers.
pub const MAX_SIGNERS: usize = 8192;

/// Longest text that is tried as a CID in a form that nobody produces (base58btc, another hash).
pub const MAX_FOREIGN_CID_TEXT: usize = 128;

/// Deepest nesting of a MessagePack value that is skipped.
pub const MAX_SKIPPED_DEPTH: usize = 1024;

/// Most memory that decoded data take for each byte of their archive: what a caller may count on who
/// bounds the bytes. It is kept by construction and tested with archives made to break it.
pub const MEMORY_PER_ARCHIVE_BYTE: usize = 24;
