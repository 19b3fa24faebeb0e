//! Physical addresses and ranges of them.

use core::fmt;

/// Bytes in a small page.
pub const PAGE_BYTES: u64 = 4096;

/// A physical address, which is also the virtual one wherever it is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A half-open range of physical addresses; `start <= end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhysRange {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl PhysRange {
    /// `start..end`, empty if they are the wrong way round.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end: if end < start { start } else { end } }
    }

    /// `bytes` from `start`, cut off at the end of the address space.
    #[must_use]
    pub const fn from_length(start: u64, bytes: u64) -> PhysRange {
        PhysRange { start, end: start.saturating_add(bytes) }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether `address` is in it.
    #[must_use]
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// The whole pages within it.
    #[must_use]
    pub const fn whole_pages(&self) -> PhysRange {
        let Some(start) = self.start.checked_next_multiple_of(PAGE_BYTES) else {
            return PhysRange { start: 0, end: 0 };
        };
        PhysRange::new(start, self.end - self.end % PAGE_BYTES)
    }

    /// The pages that it touches.
    #[must_use]
    pub const fn touched_pages(&self) -> PhysRange {
        let start = self.start - self.start % PAGE_BYTES;
        let end = match self.end.checked_next_multiple_of(PAGE_BYTES) {
            Some(end) => end,
            None => u64::MAX - (PAGE_BYTES - 1),
        };
        PhysRange::new(start, end)
    }

    /// Whether the two have a byte in common.
    #[must_use]
    pub const fn overlaps(&self, other: PhysRange) -> bool {
        let start = if self.start > other.start { self.start } else { other.start };
        let end = if self.end < other.end { self.end } else { other.end };
        start < end
    }

    /// What is left of it before and after `hole`.
    #[must_use]
    pub const fn without(&self, hole: PhysRange) -> [PhysRange; 2] {
        if hole.is_empty() || hole.end <= self.start || self.end <= hole.start {
            return [*self, PhysRange { start: self.end, end: self.end }];
        }
        let before = PhysRange::new(self.start, hole.start);
        let after_start = if hole.end < self.end { hole.end } else { self.end };
        [before, PhysRange::new(after_start, self.end)]
    }
}
