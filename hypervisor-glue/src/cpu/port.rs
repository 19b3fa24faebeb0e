//! Port input and output.
//!
//! Each function's caller answers for what the device behind the port does.

use core::arch::asm;

macro_rules! port_functions {
    ($read:ident, $write:ident, $type:ty, $reg:tt, $in:literal, $out:literal) => {
        #[doc = concat!("Reads a `", stringify!($type), "` from `port`.")]
        ///
        /// # Safety
        /// Reading must have no effect that breaks memory safety (a device that starts DMA).
        #[inline]
        #[must_use]
        pub unsafe fn $read(port: u16) -> $type {
            let value: $type;
            // SAFETY: the caller answers for the device; the instruction touches no memory.
            unsafe { asm!($in, out($reg) value, in("dx") port, options(nomem, nostack, preserves_flags)) };
            value
        }

        #[doc = concat!("Writes a `", stringify!($type), "` to `port`.")]
        ///
        /// # Safety
        /// The write must have no effect that breaks memory safety (a device that starts DMA).
        #[inline]
        pub unsafe fn $write(port: u16, value: $type) {
            // SAFETY: the caller answers for the device; the instruction touches no memory.
            unsafe { asm!($out, in($reg) value, in("dx") port, options(nomem, nostack, preserves_flags)) };
        }
    };
}

port_functions!(read_u8, write_u8, u8, "al", "in al, dx", "out dx, al");
port_functions!(read_u16, write_u16, u16, "ax", "in ax, dx", "out dx, ax");
port_functions!(read_u32, write_u32, u32, "eax", "in eax, dx", "out dx, eax");
