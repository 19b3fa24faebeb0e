//! The old interrupt controllers (Intel 8259A): moved away from the exceptions and masked.
//!
//! They may be absent; then nobody listens, which is as good.

use crate::cpu::port;
use crate::trap::interrupts::FIRST_VECTOR;

const FIRST: [u16; 2] = [0x20, 0x21];
const SECOND: [u16; 2] = [0xa0, 0xa1];
/// Begin initialisation, with a fourth word to come.
const INITIALISE: u8 = 0x11;
const MODE_8086: u8 = 0x01;
/// The second controller hangs on input 2 of the first.
const CASCADE: [u8; 2] = [0b100, 2];

/// Gives the controllers vectors that are no exceptions (a spurious interrupt may come even when
/// masked), and masks all.
pub fn silence() {
    for (index, [command, data]) in [FIRST, SECOND].into_iter().enumerate() {
        let base = if index == 0 { FIRST_VECTOR } else { FIRST_VECTOR + 8 };
        for (port, value) in [
            (command, INITIALISE),
            (data, base),
            (data, CASCADE[index]),
            (data, MODE_8086),
            (data, u8::MAX),
        ] {
            // SAFETY: the ports belong to the interrupt controllers; CPU interrupts are off.
            unsafe { port::write_u8(port, value) };
        }
    }
}
