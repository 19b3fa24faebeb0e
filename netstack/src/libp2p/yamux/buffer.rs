//! A queue of bytes that takes memory only for what is in it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Smallest piece allocated.
const MIN_CHUNK_BYTES: usize = 64;
/// Largest piece allocated.
const MAX_CHUNK_BYTES: usize = 16 * 1024;

/// Bytes in pieces. Every piece but the last is full, so what is allocated exceeds what is held by one
/// partly read and one partly filled piece at most.
#[derive(Debug)]
pub(super) struct Buffer {
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that were taken.
    taken: usize,
    length: usize,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { chunks: VecDeque::new(), taken: 0, length: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Appends all of `bytes`.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.chunks.back().map_or(0, |last| last.capacity() - last.len());
            if room == 0 {
                let size = bytes.len().max(self.length).clamp(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
                self.chunks.push_back(Vec::with_capacity(size));
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if let Some(last) = self.chunks.back_mut() {
                last.extend_from_slice(now);
            }
            self.length += now.len();
            bytes = later;
        }
    }

    /// Takes up to `most` bytes, giving them to `sink` piece by piece; returns how many.
    pub(super) fn take(&mut self, most: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let mut left = most.min(self.length);
        let count = left;
        while left > 0 {
            let Some(first) = self.chunks.front() else { break };
            let rest = first.get(self.taken..).unwrap_or_default();
            let now = rest.len().min(left);
            sink(rest.get(..now).unwrap_or_default());
            left -= now;
            self.length -= now;
            self.taken += now;
            if now == rest.len() {
                self.chunks.pop_front();
                self.taken = 0;
            }
        }
        if self.length == 0 {
            self.clear();
        }
        count
    }

    /// Takes as many bytes as there are and fit into `out`; returns how many.
    pub(super) fn read(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        self.take(out.len(), |bytes| {
            if let Some(slot) = out.get_mut(filled..filled + bytes.len()) {
                slot.copy_from_slice(bytes);
            }
            filled += bytes.len();
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_leave_as_they_came_and_take_little_more_room(
            steps in prop::collection::vec((any::<bool>(), 0_usize..40_000), 1..60),
        ) {
            let (mut buffer, mut model) = (Buffer::new(), VecDeque::new());
            let mut next = 0_u8;
            for (push, size) in steps {
                if push {
                    let bytes: Vec<u8> = (0..size).map(|_| { next = next.wrapping_add(7); next }).collect();
                    buffer.push(&bytes);
                    model.extend(bytes);
                } else {
                    let mut out = std::vec![0; size];
                    let read = buffer.read(&mut out);
                    let expected: Vec<u8> = model.drain(..size.min(model.len())).collect();
                    prop_assert_eq!(&out[..read], &expected[..]);
                }
                prop_assert_eq!(buffer.len(), model.len());
                let allocated: usize = buffer.chunks.iter().map(Vec::capacity).sum();
                prop_assert!(allocated <= buffer.len() + 2 * MAX_CHUNK_BYTES);
                prop_assert!(!buffer.is_empty() || allocated == 0);
            }
        }
    }
}
