//! Every bound on programs that run. Sizes are in bytes unless the name ends otherwise.

/// Programs that a node hosts.
pub const MAX_PROGRAMS: usize = 64;
/// Programs that were installed and are kept over restarts.
pub const MAX_KEPT_PROGRAMS: usize = 32;
/// Their bytes together.
pub const MAX_KEPT_BYTES: usize = 64 << 20;
/// Programs that their owners took back and that are known for it.
pub const MAX_FORGOTTEN_PROGRAMS: usize = 1024;
/// A bundle: programs of the largest size that the network passes inline, and some room.
pub const MAX_BUNDLE_BYTES: usize = 48 << 20;
/// A bundle may take one in so many bytes of the heap: while it is unpacked it is there three times.
pub const BUNDLE_PART: usize = 8;
/// Files that belong to one program of a bundle.
pub const MAX_BUNDLE_FILES: usize = 64;
/// The name of a file of a bundle.
pub const MAX_BUNDLE_NAME_BYTES: usize = 128;
/// One program's package may take one in so many bytes of the heap, and unpack to as many.
pub const PACKAGE_PART: usize = 4;
/// It may unpack to one in so many bytes of what is free: an archive's files are there three times at the
/// worst, in the archive, as they are read, and where they stay.
pub const FREE_PACKAGE_PART: usize = 3;

/// Time of one run: longer `resources.seconds` are cut to it.
pub const MAX_RUN_MS: u64 = 300_000;
/// Fuel for each millisecond that a run may take; more than any processor burns in that time.
pub const FUEL_PER_RUN_MS: u64 = 200_000;
/// Runs of one program at once, unless the configuration says otherwise.
pub const DEFAULT_CONCURRENCY: u32 = 16;
/// The most that `programs.concurrency` may be set to.
pub const MAX_CONCURRENCY: u32 = 1024;
/// The most that `programs.max_body_bytes` may be set to.
pub const MAX_PROGRAM_BODY_BYTES: u32 = 64 << 20;
/// A body of more bytes is a file of the run, a shorter one is in the scope.
pub const MAX_INLINE_BODY_BYTES: usize = 64 << 10;
/// The scope is a value: on a small machine a body in it has at most one in so many bytes of a call's
/// result. Escaped it may take more than its own length.
pub const INLINE_BODY_PART: usize = 4;
/// Room that a body begins with whose length nobody has said.
pub const FIRST_BODY_BYTES: usize = 64 << 10;
/// Piece in which a file is sent as the body of an answer.
pub const BODY_PIECE_BYTES: usize = 16 << 10;
/// Runs of one program that wait for their turn, unless the configuration says otherwise.
pub const DEFAULT_QUEUE: u32 = 64;
/// The most that `programs.queue` may be set to.
pub const MAX_QUEUE: u32 = 4096;
/// How long a run waits for its turn before it is shed.
pub const MAX_QUEUE_WAIT_MS: u64 = 10_000;
