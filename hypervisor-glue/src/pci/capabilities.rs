//! A function's capability list.

use super::{Address, COMMAND, ConfigAccess, STATUS_CAPABILITIES};
use crate::limits::PCI_CAPABILITIES;

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is: 0x09 vendor specific, 0x11 MSI-X, …
    pub id: u8,
    /// Where it begins in configuration space: 0x40 to 0xfc, a multiple of four.
    pub offset: u8,
    /// The two bytes after identifier and link.
    pub head: [u8; 2],
}

impl Capability {
    /// Reads the register `bytes` after the capability's start; all ones past the end of
    /// configuration space.
    pub fn read(&self, config: &impl ConfigAccess, address: Address, bytes: u8) -> u32 {
        self.offset.checked_add(bytes).map_or(u32::MAX, |offset| config.read(address, offset))
    }
}

const POINTER: u8 = 0x34;
const FIRST: u8 = 0x40;

/// The capabilities of a function in list order, at most [`PCI_CAPABILITIES`]; a link that leaves
/// the list's space ends it.
pub fn capabilities<C: ConfigAccess>(
    config: &C,
    address: Address,
) -> impl Iterator<Item = Capability> + '_ {
    let listed = config.read(address, COMMAND) & STATUS_CAPABILITIES != 0;
    let [first, ..] = config.read(address, POINTER).to_le_bytes();
    let mut next = if listed { first & !3 } else { 0 };
    core::iter::from_fn(move || {
        if next < FIRST {
            return None;
        }
        let offset = next;
        let [id, link, head_low, head_high] = config.read(address, offset).to_le_bytes();
        next = link & !3;
        Some(Capability { id, offset, head: [head_low, head_high] })
    })
    .take(PCI_CAPABILITIES)
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeMachine;
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn function() -> Address {
        Address::new(0, 1, 0).unwrap()
    }

    #[test]
    fn the_list_is_followed_to_its_end() {
        let machine = FakeMachine::default();
        machine.add(function(), 0x1af4, 0x1041, 0);
        machine.set(function(), COMMAND, STATUS_CAPABILITIES);
        machine.set(function(), POINTER, 0x98);
        machine.set(function(), 0x98, 0x8004_4011);
        machine.set(function(), 0x40, 0x0110_0009);
        let found: Vec<Capability> = capabilities(&machine, function()).collect();
        assert_eq!(
            found,
            [
                Capability { id: 0x11, offset: 0x98, head: [0x04, 0x80] },
                Capability { id: 0x09, offset: 0x40, head: [0x10, 0x01] },
            ]
        );
    }

    #[test]
    fn a_function_without_the_status_bit_has_no_list() {
        let machine = FakeMachine::default();
        machine.add(function(), 0x1af4, 0x1041, 0);
        machine.set(function(), POINTER, 0x40);
        assert_eq!(capabilities(&machine, function()).count(), 0);
    }

    #[test]
    fn a_list_that_bites_its_tail_ends() {
        let machine = FakeMachine::default();
        machine.add(function(), 0x1af4, 0x1041, 0);
        machine.set(function(), COMMAND, STATUS_CAPABILITIES);
        machine.set(function(), POINTER, 0x40);
        machine.set(function(), 0x40, 0x0000_4009);
        assert_eq!(capabilities(&machine, function()).count(), PCI_CAPABILITIES);
    }

    proptest! {
        #[test]
        fn any_configuration_space_gives_a_bounded_list(
            words in prop::collection::vec(any::<u32>(), 64),
        ) {
            let machine = FakeMachine::default();
            for (index, word) in words.iter().enumerate() {
                machine.set(function(), u8::try_from(index * 4).unwrap(), *word);
            }
            let found: Vec<Capability> = capabilities(&machine, function()).collect();
            prop_assert!(found.len() <= PCI_CAPABILITIES);
            prop_assert!(found.iter().all(|c| c.offset >= FIRST && c.offset % 4 == 0));
        }
    }
}
