//! The console: the first serial port, a 16550, written by polling.
//!
//! Waits are bounded: a port that is missing or stuck costs some lines, never the boot.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::cpu::port;

const BASE: u16 = 0x3F8;
const DATA: u16 = BASE;
const INTERRUPT_ENABLE: u16 = BASE + 1;
const FIFO_CONTROL: u16 = BASE + 2;
const LINE_CONTROL: u16 = BASE + 3;
const MODEM_CONTROL: u16 = BASE + 4;
const LINE_STATUS: u16 = BASE + 5;
const SCRATCH: u16 = BASE + 7;

const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Bytes that the transmit FIFO takes once it is empty.
const FIFO_BYTES: usize = 16;
/// Looks at the status before a byte is given up; at a microsecond each, longer than a real port
/// of 115200 baud needs to send its FIFO.
const MAX_STATUS_READS: u32 = 10_000;

const UNKNOWN: u8 = 0;
const PRESENT: u8 = 1;
const MISSING: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

fn write(register: u16, value: u8) {
    // SAFETY: the ports of the first UART; it reaches no memory of ours.
    unsafe { port::write_u8(register, value) };
}

fn read(register: u16) -> u8 {
    // SAFETY: as for `write`.
    unsafe { port::read_u8(register) }
}

/// Finds and sets up the port: 115200 baud, 8 data bits, FIFO on, interrupts off.
pub fn init() {
    for pattern in [0x5A, 0xA5] {
        write(SCRATCH, pattern);
        if read(SCRATCH) != pattern {
            STATE.store(MISSING, Ordering::Relaxed);
            return;
        }
    }
    write(INTERRUPT_ENABLE, 0);
    write(LINE_CONTROL, 0x80);
    write(DATA, 1);
    write(INTERRUPT_ENABLE, 0);
    write(LINE_CONTROL, 0x03);
    write(FIFO_CONTROL, 0x07);
    write(MODEM_CONTROL, 0x03);
    STATE.store(PRESENT, Ordering::Relaxed);
}

/// Sends nothing from now on: each byte is an exit to the hypervisor.
pub fn silence() {
    STATE.store(MISSING, Ordering::Relaxed);
}

/// Sends `bytes`, a FIFO's load for each wait.
pub fn write_bytes(bytes: &[u8]) {
    if STATE.load(Ordering::Relaxed) != PRESENT {
        return;
    }
    for load in bytes.chunks(FIFO_BYTES) {
        if !wait_until_empty() {
            // Stuck: each further line would cost the whole wait again.
            STATE.store(MISSING, Ordering::Relaxed);
            return;
        }
        for &byte in load {
            write(DATA, byte);
        }
    }
}

fn wait_until_empty() -> bool {
    (0..MAX_STATUS_READS).any(|_| read(LINE_STATUS) & TRANSMIT_EMPTY != 0)
}

/// A `fmt::Write` onto the port; gathers bytes, so that waits are few. Line ends become CR LF.
#[derive(Debug)]
pub struct Writer {
    buffer: [u8; FIFO_BYTES],
    used: usize,
}

impl Writer {
    /// A writer; what it gathered is sent when it is dropped.
    #[must_use]
    pub const fn new() -> Writer {
        Writer { buffer: [0; FIFO_BYTES], used: 0 }
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.buffer.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
        if self.used == FIFO_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        write_bytes(self.buffer.get(..self.used).unwrap_or_default());
        self.used = 0;
    }
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.push(b'\r');
            }
            self.push(byte);
        }
        Ok(())
    }
}
