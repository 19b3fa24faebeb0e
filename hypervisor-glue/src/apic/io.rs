//! I/O APICs (Intel 82093AA): inputs of interrupt lines.
//!
//! Every line is taken as edge-triggered, whatever its owner says: a level-triggered one would
//! interrupt again and again until its device is acknowledged, which is done by the loop that the
//! interrupt wakes, not by its handler. With edges, a device that is acknowledged before its queues
//! are looked at is never missed.

use crate::acpi::{Interrupts, IoApic};
use crate::mmio::Window;
use alloc::vec::Vec;
use core::mem::take;

/// Where the first I/O APIC is on every PC, and where those machines have it that describe nothing.
const USUAL: IoApic = IoApic { base: 0xfec0_0000, first_interrupt: 0 };
const WINDOW_BYTES: usize = 0x20;
const SELECT: usize = 0x00;
const DATA: usize = 0x10;
const VERSION: u32 = 1;
const TABLE: u32 = 0x10;
const MASKED: u32 = 1 << 16;
const ACTIVE_LOW: u32 = 1 << 13;

#[derive(Debug)]
struct Controller {
    window: Window,
    first_interrupt: u32,
    inputs: u32,
}

/// All I/O APICs of the machine.
#[derive(Debug, Default)]
pub struct IoApics {
    controllers: Vec<Controller>,
}

impl IoApics {
    /// None at all.
    #[must_use]
    pub const fn none() -> Self {
        IoApics { controllers: Vec::new() }
    }

    /// Those that were told, or one at the usual place; all inputs masked.
    pub fn new(told: &Interrupts, map: impl Fn(u64, usize) -> Option<Window>) -> Self {
        let usual = [USUAL];
        let places = if told.io_apics.is_empty() { &usual[..] } else { &told.io_apics };
        let mut controllers = Vec::new();
        for place in places {
            let Some(window) = map(place.base, WINDOW_BYTES) else {
                log::warn!("the I/O APIC at {:#x} cannot be mapped", place.base);
                continue;
            };
            let mut controller =
                Controller { window, first_interrupt: place.first_interrupt, inputs: 0 };
            let version = controller.read(VERSION);
            // Where nobody answers all bits are one.
            if version != u32::MAX && version != 0 {
                controller.inputs = (version >> 16 & 0xff) + 1;
                (0..controller.inputs).for_each(|input| controller.set(input, MASKED, 0));
                controllers.push(controller);
            }
        }
        IoApics { controllers }
    }

    /// Sends a global system interrupt as `vector` to the CPU `target`. False if no controller has
    /// the input.
    pub fn route(&mut self, interrupt: u32, active_low: bool, vector: u8, target: u8) -> bool {
        let polarity = if active_low { ACTIVE_LOW } else { 0 };
        for controller in &self.controllers {
            let input = interrupt.checked_sub(controller.first_interrupt);
            if let Some(input) = input.filter(|input| *input < controller.inputs) {
                controller.set(input, u32::from(vector) | polarity, u32::from(target) << 24);
                return true;
            }
        }
        false
    }

    /// Masks everything again and forgets the controllers.
    pub fn silence(&mut self) {
        for controller in take(&mut self.controllers) {
            (0..controller.inputs).for_each(|input| controller.set(input, MASKED, 0));
        }
    }
}

impl Controller {
    fn read(&self, register: u32) -> u32 {
        self.window.write_u32(SELECT, register);
        self.window.read_u32(DATA)
    }

    fn write(&self, register: u32, value: u32) {
        self.window.write_u32(SELECT, register);
        self.window.write_u32(DATA, value);
    }

    /// Writes an entry of the redirection table, masked while it is half written.
    fn set(&self, input: u32, low: u32, high: u32) {
        let register = TABLE + 2 * input;
        self.write(register, MASKED);
        if low & MASKED == 0 {
            self.write(register + 1, high);
            self.write(register, low);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec;
    use core::ptr::NonNull;

    /// Registers that remember only the last write: enough to see which entry was written and how.
    fn memory(version: u32) -> Window {
        let memory = Box::leak(vec![0_u32; WINDOW_BYTES / 4].into_boxed_slice());
        memory[DATA / 4] = version;
        // SAFETY: the memory is leaked and nobody else uses it.
        unsafe { Window::new(NonNull::from(memory).cast(), WINDOW_BYTES) }
    }

    fn machine() -> IoApics {
        let controller =
            |first_interrupt| Controller { window: memory(0), first_interrupt, inputs: 24 };
        IoApics { controllers: vec![controller(0), controller(24)] }
    }

    #[test]
    fn an_interrupt_goes_to_the_controller_that_has_it() {
        let mut io = machine();
        assert!(io.route(47, true, 0x41, 3));
        let window = &io.controllers[1].window;
        assert_eq!(window.read_u32(SELECT), TABLE + 2 * 23);
        assert_eq!(window.read_u32(DATA), 0x41 | ACTIVE_LOW, "edge, unmasked");
        assert_eq!(io.controllers[0].window.read_u32(SELECT), 0);
        assert!(io.route(0, false, 0x41, 0));
        assert!(!io.route(48, false, 0x41, 0));
        assert!(!io.route(u32::MAX, false, 0x41, 0));
    }

    #[test]
    fn the_number_of_inputs_is_read_and_absent_controllers_are_left_out() {
        let told = Interrupts::default();
        let io = IoApics::new(&told, |address, _| {
            assert_eq!(address, USUAL.base);
            Some(memory(0x0017_0020))
        });
        assert_eq!(io.controllers[0].inputs, 24);
        assert!(IoApics::new(&told, |_, _| Some(memory(u32::MAX))).controllers.is_empty());
        assert!(IoApics::new(&told, |_, _| None).controllers.is_empty());
    }
}
