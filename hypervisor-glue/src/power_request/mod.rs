//! Requests of people to switch the machine off: the ACPI power button, and Ctrl-Alt-Del on the
//! keyboard, which is how Firecracker asks.
//!
//! Their interrupts leave a mark ([`interrupts::take_requested`]), because asking the devices themselves
//! costs an exit to the hypervisor each time. Interrupts are taken only while the CPU idles: whoever
//! does not idle for long calls [`PowerRequests::look`] with `anyway` once in a while.

mod button;
mod keyboard;

use core::fmt;

use crate::acpi::Acpi;
use crate::apic;
use crate::cpu::port;
use crate::trap::interrupts;
use button::Button;
use keyboard::Keyboard;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// The ACPI power button.
    PowerButton,
    /// Ctrl, Alt and Del together.
    CtrlAltDel,
}

impl fmt::Display for PowerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PowerRequest::PowerButton => "power button",
            PowerRequest::CtrlAltDel => "Ctrl-Alt-Del",
        })
    }
}

/// The devices by which people can ask.
#[derive(Debug)]
pub struct PowerRequests {
    button: Option<Button<MachinePorts>>,
    keyboard: Option<Keyboard<MachinePorts>>,
    /// Look even if no interrupt came: a request from before the interrupts were routed, or the rest of
    /// what a device had.
    again: bool,
}

impl PowerRequests {
    /// Starts the devices that are there and lets their interrupts come. Call once, after
    /// [`apic::init_io`] and the discovery of other devices, whose lines these may share.
    ///
    /// # Safety
    /// `acpi` is what this machine's tables say.
    #[must_use]
    pub unsafe fn start(acpi: &Acpi) -> PowerRequests {
        let button = acpi.button.and_then(|told| Button::start(told, MachinePorts));
        if let Some(button) = &button {
            let (interrupt, active_low) = match u8::try_from(button.interrupt()) {
                Ok(isa) if button.is_isa() => acpi.interrupts.isa(isa),
                _ => (button.interrupt(), false),
            };
            apic::route_request(interrupt, active_low);
        }
        let keyboard = Keyboard::start(MachinePorts);
        if keyboard.is_some() {
            let (interrupt, active_low) = acpi.interrupts.isa(keyboard::ISA_INTERRUPT);
            apic::route_request(interrupt, active_low);
        }
        let there = |there: bool| if there { "yes" } else { "no" };
        log::debug!(
            target: "boot",
            "power button: {}, keyboard: {}",
            there(button.is_some()),
            there(keyboard.is_some()),
        );
        PowerRequests { button, keyboard, again: true }
    }

    /// Who asked since the last call; the devices are looked at if an interrupt of theirs came, or
    /// `anyway`.
    pub fn look(&mut self, anyway: bool) -> Option<PowerRequest> {
        if !(interrupts::take_requested() || self.again || anyway) {
            return None;
        }
        self.again = false;
        if self.button.as_mut().is_some_and(Button::was_pressed) {
            return Some(PowerRequest::PowerButton);
        }
        let keys = self.keyboard.as_mut().map(Keyboard::read)?;
        self.again = keys.more;
        keys.ctrl_alt_del.then_some(PowerRequest::CtrlAltDel)
    }
}

/// Ports of the devices here.
trait Ports {
    fn read_u8(&mut self, port: u16) -> u8;
    fn write_u8(&mut self, port: u16, value: u8);
    fn read_u16(&mut self, port: u16) -> u16;
    fn write_u16(&mut self, port: u16, value: u16);
}

/// The machine's own.
#[derive(Debug)]
struct MachinePorts;

impl Ports for MachinePorts {
    fn read_u8(&mut self, port: u16) -> u8 {
        // SAFETY: the ports are those of the keyboard controller, and those that ACPI's tables give to
        // power management, by the promise of `PowerRequests::start`: none starts DMA.
        unsafe { port::read_u8(port) }
    }

    fn write_u8(&mut self, port: u16, value: u8) {
        // SAFETY: as for `read_u8`.
        unsafe { port::write_u8(port, value) };
    }

    fn read_u16(&mut self, port: u16) -> u16 {
        // SAFETY: as for `read_u8`.
        unsafe { port::read_u16(port) }
    }

    fn write_u16(&mut self, port: u16, value: u16) {
        // SAFETY: as for `read_u8`.
        unsafe { port::write_u16(port, value) };
    }
}
