//! A window of device registers with bounds-checked volatile access.
//!
//! Offsets often come from the device itself (capabilities, notify offsets), so an access outside
//! of the window behaves like a bus where nobody answers: reads give all ones, writes are dropped.
//! Nothing here can panic.

use crate::memory::PhysAddr;
use core::ptr::NonNull;

/// Registers at a fixed place in the address space, valid for the life of the machine.
#[derive(Debug)]
pub struct Window {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a window only names device memory; the owner of the window decides who uses it, and
// volatile accesses are allowed from any core.
unsafe impl Send for Window {}

// SAFETY: all that `&Window` allows are volatile accesses of single registers, which devices take
// in any order.
unsafe impl Sync for Window {}

macro_rules! access {
    ($read:ident, $write:ident, $type:ty) => {
        /// Reads the register at `offset` bytes; all ones where the window has no such register.
        #[must_use]
        pub fn $read(&self, offset: usize) -> $type {
            match self.register::<$type>(offset) {
                // SAFETY: `register` checked bounds and alignment, and the window is valid for
                // volatile access.
                Some(register) => unsafe { register.read_volatile() },
                None => <$type>::MAX,
            }
        }

        /// Writes the register at `offset` bytes; dropped where the window has no such register.
        pub fn $write(&self, offset: usize, value: $type) {
            if let Some(register) = self.register::<$type>(offset) {
                // SAFETY: `register` checked bounds and alignment, and the window is valid for
                // volatile access.
                unsafe { register.write_volatile(value) };
            }
        }
    };
}

impl Window {
    /// Names `bytes` bytes of registers at `base`.
    ///
    /// # Safety
    ///
    /// The range must stay mapped and valid for volatile access of 1, 2 and 4 bytes for the rest of
    /// the program, and must not be memory that Rust objects live in.
    #[must_use]
    pub const unsafe fn new(base: NonNull<u8>, bytes: usize) -> Self {
        Window { base, bytes }
    }

    /// Maps device registers at a physical address; `None` if they cannot be, for instance because
    /// RAM is there.
    #[must_use]
    pub fn map(address: u64, bytes: usize) -> Option<Self> {
        let base = crate::memory::map_mmio(PhysAddr(address), bytes).ok()?;
        // SAFETY: the range was just mapped as device memory, which it stays, and is not RAM.
        Some(unsafe { Window::new(base, bytes) })
    }

    /// Size of the window, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Address of the first register.
    #[must_use]
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The part of the window from `offset`, `bytes` long, or `None` if it is not wholly inside.
    #[must_use]
    pub fn part(&self, offset: usize, bytes: usize) -> Option<Window> {
        if offset.checked_add(bytes)? > self.bytes {
            return None;
        }
        // SAFETY: `offset` is at most `self.bytes`, so the address stays inside of the window or at
        // its end.
        let base = unsafe { self.base.add(offset) };
        Some(Window { base, bytes })
    }

    access!(read_u8, write_u8, u8);
    access!(read_u16, write_u16, u16);
    access!(read_u32, write_u32, u32);

    /// Writes a 64-bit register as two 32-bit halves, low half first, as virtio asks for (virtio
    /// 1.2 section 4.1.3.1).
    pub fn write_u64_halves(&self, offset: usize, value: u64) {
        let [low, high] = halves(value);
        self.write_u32(offset, low);
        self.write_u32(offset.saturating_add(4), high);
    }

    fn register<T>(&self, offset: usize) -> Option<*mut T> {
        if offset.checked_add(size_of::<T>())? > self.bytes {
            return None;
        }
        // SAFETY: `offset` was just checked to be inside of the window.
        let register = unsafe { self.base.add(offset) }.cast::<T>();
        register.is_aligned().then_some(register.as_ptr())
    }
}

/// The low and the high 32 bits of `value`.
#[must_use]
pub fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;

    fn window(memory: &'static mut [u32; 4]) -> Window {
        let bytes = size_of_val(memory);
        // SAFETY: the memory is static and nobody else uses it.
        unsafe { Window::new(NonNull::from(memory).cast(), bytes) }
    }

    fn leaked() -> Window {
        window(Box::leak(Box::new([0x0403_0201, 0, 0, 0x8000_0000])))
    }

    #[test]
    fn registers_are_read_and_written_in_place() {
        let window = leaked();
        assert_eq!(window.read_u8(1), 2);
        assert_eq!(window.read_u16(2), 0x0403);
        window.write_u64_halves(4, 0x1122_3344_5566_7788);
        assert_eq!(window.read_u32(4), 0x5566_7788);
        assert_eq!(window.read_u32(8), 0x1122_3344);
    }

    #[test]
    fn nothing_outside_of_the_window_is_touched() {
        let window = leaked();
        assert_eq!(window.read_u32(12), 0x8000_0000);
        assert_eq!(window.read_u32(13), u32::MAX);
        assert_eq!(window.read_u32(16), u32::MAX);
        assert_eq!(window.read_u8(usize::MAX), u8::MAX);
        window.write_u32(16, 1);
        window.write_u32(usize::MAX - 1, 1);
        assert_eq!(window.read_u32(2), u32::MAX, "a misaligned register is no register");
        assert!(window.part(12, 4).is_some());
        assert!(window.part(12, 5).is_none());
        assert!(window.part(usize::MAX, 2).is_none());
    }
}
