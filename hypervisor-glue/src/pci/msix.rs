//! MSI-X: interrupts as memory writes (PCI 3.0 section 6.8.2).

use super::{Address, Capability, ConfigAccess};
use crate::mmio::Window;

/// The memory write by which a device signals an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to write: on x86 this names the target local APIC.
    pub address: u64,
    /// What to write: on x86 this names the vector.
    pub data: u32,
}

/// A function's MSI-X capability.
#[derive(Clone, Copy, Debug)]
pub struct MsiX {
    capability: Capability,
    /// Number of vectors, 1 to 2048.
    pub vectors: u16,
    /// The BAR that the vector table is in.
    pub table_bar: u8,
    /// Where in that BAR the table begins, in bytes.
    pub table_offset: u32,
}

impl MsiX {
    /// Capability identifier.
    pub const ID: u8 = 0x11;

    const ENABLE: u32 = 1 << 31;
    const MASK_ALL: u32 = 1 << 30;
    const ENTRY_BYTES: usize = 16;

    /// Reads the capability; `None` if it is another one.
    pub fn read(
        config: &impl ConfigAccess,
        address: Address,
        capability: Capability,
    ) -> Option<MsiX> {
        if capability.id != Self::ID {
            return None;
        }
        let control = u16::from_le_bytes(capability.head);
        let table = capability.read(config, address, 4);
        let [low, ..] = table.to_le_bytes();
        Some(MsiX {
            capability,
            vectors: (control & 0x7ff) + 1,
            table_bar: low & 7,
            table_offset: table & !7,
        })
    }

    /// Size of the vector table, in bytes.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        usize::from(self.vectors) * Self::ENTRY_BYTES
    }

    /// Sends vector 0 as `message`, keeps all others masked and switches MSI-X on. `table` is the
    /// mapped vector table.
    pub fn enable(
        &self,
        config: &impl ConfigAccess,
        address: Address,
        table: &Window,
        message: Message,
    ) {
        let head = config.read(address, self.capability.offset);
        config.write(address, self.capability.offset, head | Self::ENABLE | Self::MASK_ALL);
        table.write_u64_halves(0, message.address);
        table.write_u32(8, message.data);
        // Vector control: bit 0 masks. After reset all are masked; only vector 0 is opened.
        table.write_u32(12, 0);
        config.write(address, self.capability.offset, (head & !Self::MASK_ALL) | Self::ENABLE);
    }

    /// Switches MSI-X off: the function signals by its pin again.
    pub fn disable(&self, config: &impl ConfigAccess, address: Address) {
        let head = config.read(address, self.capability.offset);
        config.write(address, self.capability.offset, head & !Self::ENABLE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeMachine;
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::ptr::NonNull;

    fn function() -> Address {
        Address::new(0, 3, 0).unwrap()
    }

    fn window(words: usize) -> Window {
        let memory = Box::leak(vec![u32::MAX; words].into_boxed_slice());
        let bytes = size_of_val(memory);
        // SAFETY: the memory is leaked and nobody else uses it.
        unsafe { Window::new(NonNull::from(memory).cast(), bytes) }
    }

    fn msix(machine: &FakeMachine, control: u16, table: u32) -> MsiX {
        machine.add(function(), 0x1af4, 0x1041, 0);
        machine.set(function(), 0x98, u32::from(control) << 16 | 0x0011);
        machine.set(function(), 0x9c, table);
        let capability = Capability { id: 0x11, offset: 0x98, head: control.to_le_bytes() };
        MsiX::read(machine, function(), capability).unwrap()
    }

    #[test]
    fn vector_0_is_programmed_and_opened() {
        let machine = FakeMachine::default();
        let msix = msix(&machine, 2, 0x11);
        assert_eq!((msix.vectors, msix.table_bar, msix.table_offset), (3, 1, 0x10));
        assert_eq!(msix.table_bytes(), 48);
        let table = window(12);
        let message = Message { address: 0xfee0_3000, data: 0x41 };
        msix.enable(&machine, function(), &table, message);
        let entry: Vec<u32> = (0..4).map(|word| table.read_u32(word * 4)).collect();
        assert_eq!(entry, [0xfee0_3000, 0, 0x41, 0]);
        assert_eq!(table.read_u32(0x1c), u32::MAX, "other vectors stay masked");
        assert_eq!(machine.read(function(), 0x98) >> 16, 0x8002);
        msix.disable(&machine, function());
        assert_eq!(machine.read(function(), 0x98) >> 16, 2);
    }
}
