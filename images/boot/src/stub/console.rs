//! The first serial port: where a boot that ends says why.

use core::arch::asm;

const BASE: u16 = 0x3F8;
const LINE_STATUS: u16 = BASE + 5;
const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Looks at the status before a byte is sent anyway: a port that is missing must not stop the end.
const STATUS_READS: u32 = 10_000;

/// Writes `value` to an I/O port.
///
/// # Safety
/// What the device behind the port then does harms nothing that is still needed.
pub unsafe fn write_port(port: u16, value: u8) {
    // SAFETY: by the caller's promise.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags));
    };
}

fn read_port(port: u16) -> u8 {
    let value: u8;
    // SAFETY: only the status register of the serial port is read.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags));
    };
    value
}

/// Sets the port up: 115200 baud, 8 data bits, FIFO on, interrupts off.
pub fn start() {
    for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 7), (4, 3)] {
        // SAFETY: the registers of the serial port, which reach no memory.
        unsafe { write_port(BASE + register, value) };
    }
}

/// Writes `text`.
pub fn say(text: &str) {
    for byte in text.bytes() {
        for _ in 0..STATUS_READS {
            if read_port(LINE_STATUS) & TRANSMIT_EMPTY != 0 {
                break;
            }
        }
        // SAFETY: the data register of the serial port.
        unsafe { write_port(BASE, byte) };
    }
}
