//! The VM generation ID: bytes in memory that a hypervisor changes when it starts the machine again from a
//! snapshot or from a copy (Microsoft, Virtual Machine Generation ID; QEMU's `docs/specs/vmgenid`).
//!
//! Machines that go on from one snapshot would otherwise give out the same keys.

use crate::mmio::Window;
use alloc::boxed::Box;
use core::fmt;

/// Bytes of the ID.
pub const ID_BYTES: usize = 16;

/// The ID.
pub type Id = [u8; ID_BYTES];

/// Tells when the machine is another one than it was.
pub struct Generation {
    read: Box<dyn Fn() -> Id>,
    last: Id,
}

impl Generation {
    /// The ID at a physical address, as ACPI tells it; `None` if it cannot be read there.
    #[must_use]
    pub fn at(address: u64) -> Option<Generation> {
        let window = Window::map(address, ID_BYTES)?;
        Some(Self::of(move || {
            let mut id = [0; ID_BYTES];
            for (place, offset) in id.chunks_exact_mut(4).zip((0..).step_by(4)) {
                place.copy_from_slice(&window.read_u32(offset).to_le_bytes());
            }
            id
        }))
    }

    /// An ID that is read in this way.
    pub(super) fn of(read: impl Fn() -> Id + 'static) -> Generation {
        let last = read();
        Generation { read: Box::new(read), last }
    }

    /// The ID as it was when it was last looked at.
    pub(super) const fn last(&self) -> &Id {
        &self.last
    }

    /// Looks at the ID; true if it is another one than before.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = (self.read)();
        core::mem::replace(&mut self.last, now) != now
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation").finish_non_exhaustive()
    }
}
