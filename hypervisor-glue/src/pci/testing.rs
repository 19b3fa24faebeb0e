//! A machine made of arrays, for the tests of this room.

use super::{Address, ConfigAccess};
use alloc::collections::BTreeMap;
use core::cell::RefCell;

const WORDS: usize = 64;

/// Configuration spaces by address. BAR registers keep only the address bits that
/// [`FakeMachine::bar`] gave them.
#[derive(Default)]
pub struct FakeMachine {
    spaces: RefCell<BTreeMap<Address, [u32; WORDS]>>,
    /// Writable bits and fixed bits of BAR registers, by address and register number.
    bars: RefCell<BTreeMap<(Address, usize), (u32, u32)>>,
}

impl FakeMachine {
    /// Puts a function into the machine.
    pub fn add(&self, address: Address, vendor: u16, device: u16, header: u8) {
        self.set(address, 0, u32::from(device) << 16 | u32::from(vendor));
        self.set(address, 0x0c, u32::from(header) << 16);
    }

    /// Sets a register, whatever it is.
    pub fn set(&self, address: Address, offset: u8, value: u32) {
        let mut spaces = self.spaces.borrow_mut();
        spaces.entry(address).or_insert([0; WORDS])[usize::from(offset) / 4] = value;
    }

    /// Makes BAR `index` a memory BAR of `bytes` (a power of two), 64 bits wide or not, at `at`.
    pub fn bar(&self, address: Address, index: u8, bytes: u64, wide: bool, at: u64) {
        let register = 4 + usize::from(index);
        let mask = !(bytes - 1);
        let [mask_low, mask_high] = crate::mmio::halves(mask);
        let [low, high] = crate::mmio::halves(at);
        let fixed = if wide { 0b100 } else { 0 };
        let mut bars = self.bars.borrow_mut();
        bars.insert((address, register), (mask_low, fixed));
        self.set(address, 0x10 + 4 * index, low | fixed);
        if wide {
            bars.insert((address, register + 1), (mask_high, 0));
            self.set(address, 0x14 + 4 * index, high);
        }
    }
}

impl ConfigAccess for FakeMachine {
    fn read(&self, address: Address, offset: u8) -> u32 {
        self.spaces.borrow().get(&address).map_or(u32::MAX, |space| space[usize::from(offset) / 4])
    }

    fn write(&self, address: Address, offset: u8, value: u32) {
        let register = usize::from(offset) / 4;
        let stored = match self.bars.borrow().get(&(address, register)) {
            Some((writable, fixed)) => value & writable | fixed,
            None if (4..10).contains(&register) => 0,
            None => value,
        };
        self.set(address, offset & !3, stored);
    }
}
