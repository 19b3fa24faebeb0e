//! Memory that may not be there: asked for without an end of the node if it is not.

use alloc::sync::Arc;
use alloc::vec::Vec;

/// What an `Arc` needs beside its content: two counts.
const COUNTS_BYTES: usize = 2 * size_of::<usize>();

/// Whether one free piece of memory has so many bytes.
pub(super) fn has_piece_of(bytes: usize) -> bool {
    let mut probe: Vec<u8> = Vec::new();
    let found = probe.try_reserve_exact(bytes).is_ok();
    // Without this the compiler may leave out an allocation that nothing uses.
    core::hint::black_box(&probe);
    found
}

/// So many zeros that may be shared later; nothing if there is no memory for them.
pub(crate) fn zeroed(bytes: usize) -> Option<Arc<[u8]>> {
    let needed = bytes.checked_add(COUNTS_BYTES)?;
    has_piece_of(needed).then(|| core::iter::repeat_n(0, bytes).collect())
}

/// These bytes, shared; nothing if there is no memory for the copy that it takes.
pub(crate) fn shared(bytes: &[u8]) -> Option<Arc<[u8]>> {
    let needed = bytes.len().checked_add(COUNTS_BYTES)?;
    has_piece_of(needed).then(|| bytes.into())
}
