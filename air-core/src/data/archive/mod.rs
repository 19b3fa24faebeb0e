//! The archive: the binary form of a particle's data inside the envelope (air-data §3).
//!
//! The layout is that of `rkyv` 0.7 (32-bit big-endian offsets, strict layout). It is read and written
//! here without that library, whose own check lets two references to one string disagree about its
//! length.
//!
//! Memory: every decoded item stands for bytes of the archive that no other item stands for (objects do
//! not overlap, and a shared object is decoded once), so what a reader allocates is at most
//! [`MEMORY_PER_ARCHIVE_BYTE`](super::MEMORY_PER_ARCHIVE_BYTE) times the archive's length, whatever it says about counts.

mod layout;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{ArchiveError, read};
pub use writer::{ArchiveTooLong, Sharing, write_into};
