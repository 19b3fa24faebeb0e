//! Ctrl-Alt-Del by the PC's keyboard controller (Intel 8042): all that is read of a keyboard.

use super::Ports;
use crate::limits::{KEYBOARD_BYTES, KEYBOARD_POLLS};

/// The keyboard's interrupt.
pub const ISA_INTERRUPT: u8 = 1;

const DATA: u16 = 0x60;
const STATUS: u16 = 0x64;
const COMMAND: u16 = 0x64;

const STATUS_HAS_DATA: u8 = 1 << 0;
const STATUS_BUSY: u8 = 1 << 1;
const STATUS_OF_MOUSE: u8 = 1 << 5;

const READ_MODE: u8 = 0x20;
const WRITE_MODE: u8 = 0x60;

const MODE_INTERRUPT: u8 = 1 << 0;
const MODE_MOUSE_INTERRUPT: u8 = 1 << 1;
const MODE_NO_KEYBOARD: u8 = 1 << 4;
const MODE_NO_MOUSE: u8 = 1 << 5;
/// The controller turns the keyboard's codes into those of the first PCs. Not every emulation can, so
/// it is switched off.
const MODE_TRANSLATE: u8 = 1 << 6;

/// A keyboard controller that has been started.
#[derive(Debug)]
pub struct Keyboard<P> {
    ports: P,
    keys: Keys,
}

/// What one reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Ctrl, Alt and Del were down together.
    pub ctrl_alt_del: bool,
    /// There is more to read than one reading takes.
    pub more: bool,
}

impl<P: Ports> Keyboard<P> {
    /// Makes the controller interrupt for keys; none if there is no controller that answers.
    pub fn start(ports: P) -> Option<Keyboard<P>> {
        let mut keyboard = Keyboard { ports, keys: Keys::default() };
        if keyboard.ports.read_u8(STATUS) == u8::MAX {
            return None;
        }
        // What is buffered would be taken for the answer, and keeps the interrupt's line up.
        keyboard.drain();
        keyboard.command(READ_MODE)?;
        let mode = keyboard.answer()?;
        keyboard.command(WRITE_MODE)?;
        let without = MODE_MOUSE_INTERRUPT | MODE_NO_KEYBOARD | MODE_TRANSLATE;
        let mode = mode & !without | MODE_INTERRUPT | MODE_NO_MOUSE;
        keyboard.wait(|status| status & STATUS_BUSY == 0)?;
        keyboard.ports.write_u8(DATA, mode);
        keyboard.drain();
        Some(keyboard)
    }

    /// Takes what was typed, at most [`KEYBOARD_BYTES`].
    pub fn read(&mut self) -> Reading {
        let mut reading = Reading { ctrl_alt_del: false, more: true };
        for _ in 0..KEYBOARD_BYTES {
            let status = self.ports.read_u8(STATUS);
            if status & STATUS_HAS_DATA == 0 || status == u8::MAX {
                reading.more = false;
                break;
            }
            let byte = self.ports.read_u8(DATA);
            if status & STATUS_OF_MOUSE == 0 {
                reading.ctrl_alt_del |= self.keys.take(byte);
            }
        }
        reading
    }

    fn drain(&mut self) {
        let _before_us = self.read();
        self.keys = Keys::default();
    }

    fn command(&mut self, command: u8) -> Option<()> {
        self.wait(|status| status & STATUS_BUSY == 0)?;
        self.ports.write_u8(COMMAND, command);
        Some(())
    }

    fn answer(&mut self) -> Option<u8> {
        self.wait(|status| status & STATUS_HAS_DATA != 0)?;
        Some(self.ports.read_u8(DATA))
    }

    fn wait(&mut self, until: impl Fn(u8) -> bool) -> Option<()> {
        (0..KEYBOARD_POLLS).any(|_| until(self.ports.read_u8(STATUS))).then_some(())
    }
}

/// Which of the three keys are down, by scan codes of set 2.
#[derive(Clone, Copy, Debug, Default)]
struct Keys {
    ctrl: bool,
    alt: bool,
    /// The next code is that of a key that goes up.
    up: bool,
}

impl Keys {
    /// Takes a byte of the keyboard; true if Del went down while Ctrl and Alt were.
    ///
    /// The prefix of the second key of each kind (right Ctrl, right Alt, Del beside the keypad's) says
    /// nothing here: either will do.
    fn take(&mut self, byte: u8) -> bool {
        const EXTENDED: u8 = 0xe0;
        const UP: u8 = 0xf0;
        const CTRL: u8 = 0x14;
        const ALT: u8 = 0x11;
        const DEL: u8 = 0x71;
        let down = !self.up;
        match byte {
            EXTENDED => return false,
            UP => {
                self.up = true;
                return false;
            }
            CTRL => self.ctrl = down,
            ALT => self.alt = down,
            _ => {}
        }
        self.up = false;
        byte == DEL && down && self.ctrl && self.alt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    /// A controller; `deaf` ones take commands and give no answer.
    #[derive(Default)]
    struct Controller {
        typed: VecDeque<u8>,
        mode: u8,
        command: u8,
        deaf: bool,
        absent: bool,
    }

    impl Ports for Controller {
        fn read_u8(&mut self, port: u16) -> u8 {
            match port {
                _ if self.absent => u8::MAX,
                STATUS => u8::from(!self.typed.is_empty()),
                _ => self.typed.pop_front().unwrap_or(0),
            }
        }

        fn write_u8(&mut self, port: u16, value: u8) {
            match (port, value) {
                (COMMAND, READ_MODE) if !self.deaf => self.typed.push_back(self.mode),
                (COMMAND, _) => self.command = value,
                (DATA, _) if self.command == WRITE_MODE => self.mode = value,
                _ => {}
            }
        }

        fn read_u16(&mut self, _port: u16) -> u16 {
            u16::MAX
        }

        fn write_u16(&mut self, _port: u16, _value: u16) {}
    }

    fn typed(bytes: &[u8]) -> bool {
        let mut keyboard = Keyboard::start(Controller::default()).unwrap();
        keyboard.ports.typed.extend(bytes);
        keyboard.read().ctrl_alt_del
    }

    #[test]
    fn the_three_keys_together_are_noticed_whichever_of_a_kind_they_are() {
        assert!(typed(&[0x14, 0x11, 0xe0, 0x71]), "left keys, as Firecracker sends them");
        assert!(typed(&[0xe0, 0x14, 0xe0, 0x11, 0x71]), "right keys and the keypad");
        assert!(typed(&[0x11, 0x1c, 0xf0, 0x1c, 0x14, 0x71]), "another key in between");
        assert!(!typed(&[0x14, 0x71]) && !typed(&[0x11, 0x71]) && !typed(&[0x14, 0x11]));
        assert!(!typed(&[0x14, 0x11, 0xf0, 0x11, 0xe0, 0x71]), "Alt was up again");
        assert!(!typed(&[0x14, 0x11, 0xe0, 0xf0, 0x71]), "Del went up");
    }

    #[test]
    fn the_controller_is_made_to_interrupt_for_untranslated_keys() {
        let mode = MODE_TRANSLATE | MODE_NO_KEYBOARD | MODE_MOUSE_INTERRUPT | 1 << 2;
        let typed = [0x14, 0x11, 0x71].into();
        let mut keyboard =
            Keyboard::start(Controller { mode, typed, ..Controller::default() }).unwrap();
        assert_eq!(keyboard.ports.mode, MODE_INTERRUPT | MODE_NO_MOUSE | 1 << 2);
        assert!(!keyboard.read().ctrl_alt_del, "what was typed before is forgotten");
    }

    #[test]
    fn no_controller_and_one_that_does_not_answer_are_none() {
        assert!(Keyboard::start(Controller { absent: true, ..Controller::default() }).is_none());
        assert!(Keyboard::start(Controller { deaf: true, ..Controller::default() }).is_none());
    }

    #[test]
    fn one_reading_takes_the_limit_and_says_that_there_is_more() {
        let mut keyboard = Keyboard::start(Controller::default()).unwrap();
        let limit = usize::try_from(KEYBOARD_BYTES).unwrap();
        keyboard.ports.typed.extend(std::vec![0x1c; limit + 1]);
        assert!(keyboard.read().more);
        assert_eq!(keyboard.ports.typed.len(), 1);
        assert_eq!(keyboard.read(), Reading { ctrl_alt_del: false, more: false });
    }

    proptest! {
        /// Del's code is what the answer comes with, and without both others it never does.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut keys = Keys::default();
            let told: Vec<usize> =
                (0..bytes.len()).filter(|index| keys.take(bytes[*index])).collect();
            for index in told {
                prop_assert!(bytes[index] == 0x71);
                prop_assert!(bytes[..index].contains(&0x14) && bytes[..index].contains(&0x11));
            }
        }
    }
}
