//! The ACPI power button.

use super::Ports;
use crate::acpi::{FixedButton, PowerButton};
use crate::limits::ACPI_ENABLE_POLLS;
use crate::mmio::Window;

/// The button's bit in PM1 status and enable registers (ACPI 6.5 sections 4.8.3.1.1 and 4.8.3.1.2).
const BUTTON: u16 = 1 << 8;
/// All that a write to the status register can clear.
const ALL_STATUS: u16 = u16::MAX;
/// ACPI is in force (section 4.8.3.2.1).
const ACPI_IN_FORCE: u16 = 1;

#[derive(Debug)]
enum Kind {
    Fixed(FixedButton),
    Event { register: Window, bytes: u8, mask: u32, interrupt: u32 },
}

/// A button that has been started.
#[derive(Debug)]
pub struct Button<P> {
    kind: Kind,
    ports: P,
}

impl<P: Ports> Button<P> {
    /// Makes the button tell; none if it cannot be reached.
    pub fn start(told: PowerButton, mut ports: P) -> Option<Button<P>> {
        let kind = match told {
            PowerButton::Fixed(button) => {
                enable(&button, &mut ports);
                Kind::Fixed(button)
            }
            PowerButton::Event { register, bytes, mask, interrupt } => {
                let register = Window::map(register, bytes.into())?;
                Kind::Event { register, bytes, mask, interrupt }
            }
        };
        Some(Button { kind, ports })
    }

    /// The interrupt of a press.
    pub fn interrupt(&self) -> u32 {
        match &self.kind {
            Kind::Fixed(button) => button.interrupt.into(),
            Kind::Event { interrupt, .. } => *interrupt,
        }
    }

    /// Whether that is the number of an ISA interrupt, below 16, and not of a global one.
    pub fn is_isa(&self) -> bool {
        matches!(self.kind, Kind::Fixed(button) if button.interrupt < 16)
    }

    /// Whether it was pressed since the last call.
    pub fn was_pressed(&mut self) -> bool {
        match &self.kind {
            Kind::Fixed(button) => {
                let mut pressed = false;
                for port in button.status.into_iter().flatten() {
                    if self.ports.read_u16(port) & BUTTON != 0 {
                        // A bit is cleared by writing it.
                        self.ports.write_u16(port, BUTTON);
                        pressed = true;
                    }
                }
                pressed
            }
            Kind::Event { register, bytes: 1, mask, .. } => {
                u32::from(register.read_u8(0)) & mask != 0
            }
            Kind::Event { register, mask, .. } => register.read_u32(0) & mask != 0,
        }
    }
}

fn enable(button: &FixedButton, ports: &mut impl Ports) {
    if let Some((port, byte)) = button.bring_in
        && ports.read_u16(button.control) & ACPI_IN_FORCE == 0
    {
        ports.write_u8(port, byte);
        let in_force =
            (0..ACPI_ENABLE_POLLS).any(|_| ports.read_u16(button.control) & ACPI_IN_FORCE != 0);
        if !in_force {
            log::warn!(target: "boot", "ACPI does not come into force: the power button may be dead");
        }
    }
    for port in button.status.into_iter().flatten() {
        ports.write_u16(port, ALL_STATUS);
    }
    // Of the other events none is asked for: their interrupt would come again and again unanswered.
    for (port, bits) in button.enable.into_iter().zip([BUTTON, BUTTON]) {
        if let Some(port) = port {
            ports.write_u16(port, bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const CONTROL: u16 = 0x604;

    /// Registers of fixed hardware: status bits are cleared by writing them.
    #[derive(Default)]
    struct Hardware {
        registers: BTreeMap<u16, u16>,
        commands: std::vec::Vec<(u16, u8)>,
        obeys: bool,
    }

    impl Ports for Hardware {
        fn read_u8(&mut self, _port: u16) -> u8 {
            u8::MAX
        }

        fn write_u8(&mut self, port: u16, value: u8) {
            self.commands.push((port, value));
            if self.obeys {
                self.registers.insert(CONTROL, ACPI_IN_FORCE);
            }
        }

        fn read_u16(&mut self, port: u16) -> u16 {
            self.registers.get(&port).copied().unwrap_or(0)
        }

        fn write_u16(&mut self, port: u16, value: u16) {
            let register = self.registers.entry(port).or_default();
            *register = if port == 0x600 { *register & !value } else { value };
        }
    }

    fn told() -> PowerButton {
        PowerButton::Fixed(FixedButton {
            status: [Some(0x600), None],
            enable: [Some(0x602), None],
            control: CONTROL,
            bring_in: Some((0xb2, 2)),
            interrupt: 9,
        })
    }

    #[test]
    fn acpi_is_brought_into_force_once_and_only_the_button_is_enabled() {
        let button =
            Button::start(told(), Hardware { obeys: true, ..Hardware::default() }).unwrap();
        assert_eq!(button.ports.commands, [(0xb2, 2)]);
        assert_eq!(button.ports.registers.get(&0x602), Some(&BUTTON));
        let again = Button::start(told(), Hardware { commands: std::vec![], ..button.ports });
        assert!(again.unwrap().ports.commands.is_empty(), "it is in force already");
    }

    #[test]
    fn a_machine_that_does_not_obey_is_given_up() {
        let mut button = Button::start(told(), Hardware::default()).unwrap();
        assert!(!button.was_pressed());
    }

    #[test]
    fn each_press_is_told_once_and_other_events_are_none() {
        let mut button = Button::start(told(), Hardware::default()).unwrap();
        button.ports.registers.insert(0x600, 1 << 5);
        assert!(!button.was_pressed());
        button.ports.registers.insert(0x600, BUTTON | 1 << 5);
        assert!(button.was_pressed() && !button.was_pressed());
    }

    #[test]
    fn the_system_interrupt_is_an_isa_one_below_16() {
        let with = |interrupt| {
            let PowerButton::Fixed(fixed) = told() else { unreachable!() };
            let told = PowerButton::Fixed(FixedButton { interrupt, ..fixed });
            Button::start(told, Hardware::default()).unwrap()
        };
        assert!(with(15).is_isa() && !with(16).is_isa());
        assert_eq!(with(u16::MAX).interrupt(), 65_535);
    }
}
