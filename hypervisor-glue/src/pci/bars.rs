//! Base address registers: their size, and an address for those that firmware left at zero.

use super::{Address, COMMAND, COMMAND_IO, COMMAND_MEMORY, ConfigAccess, Function};
use crate::limits::{PCI_BAR_BYTES, PCI_WINDOW_END, PCI_WINDOW_START};
use crate::mmio::halves;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// A memory BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Which one, 0 to 5.
    pub index: u8,
    /// Where it is; 0 if nobody has placed it.
    pub base: u64,
    /// Whether it takes two registers and any address.
    pub wide: bool,
}

/// Why a BAR cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarError {
    /// There are only BARs 0 to 5 (0 and 1 on a bridge).
    NoSuchBar,
    /// The register is not implemented.
    Absent,
    /// The register is an I/O BAR, which is not supported.
    Io,
    /// The size is not a power of two, is larger than [`PCI_BAR_BYTES`], or the range wraps around.
    Size,
    /// Nothing is free for it below 4 GiB.
    NoRoom,
}

impl fmt::Display for BarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BarError::NoSuchBar => "no such BAR",
            BarError::Absent => "the BAR is not implemented",
            BarError::Io => "the BAR is in I/O space",
            BarError::Size => "the BAR has an impossible size",
            BarError::NoRoom => "no free address for the BAR",
        })
    }
}

const FIRST: u8 = 0x10;
const COUNT: u8 = 6;
const BRIDGE_COUNT: u8 = 2;
const IO: u32 = 1;
const WIDE: u32 = 0b100;
const TYPE: u32 = 0b110;
const FLAGS: u64 = 0b1111;

/// Reads where a memory BAR is.
///
/// # Errors
///
/// [`BarError`], if there is no memory BAR of that number. One that is not implemented looks like
/// one at 0.
pub fn read(config: &impl ConfigAccess, function: &Function, index: u8) -> Result<Bar, BarError> {
    let count = if function.bridge { BRIDGE_COUNT } else { COUNT };
    if index >= count {
        return Err(BarError::NoSuchBar);
    }
    let register = FIRST + 4 * index;
    let low = config.read(function.address, register);
    if low & IO != 0 {
        return Err(BarError::Io);
    }
    let wide = low & TYPE == WIDE;
    if wide && index + 1 >= count {
        return Err(BarError::NoSuchBar);
    }
    let high = if wide { config.read(function.address, register + 4) } else { 0 };
    Ok(Bar { index, base: join(low, high) & !FLAGS, wide })
}

/// Finds out how large a BAR is, in bytes: a power of two. The function does not answer accesses
/// meanwhile, and each write makes the hypervisor rearrange its memory, so this is only done where
/// it must be.
///
/// # Errors
///
/// [`BarError`], if it is not implemented or has an impossible size.
pub fn size(config: &impl ConfigAccess, function: &Function, bar: &Bar) -> Result<u64, BarError> {
    let address = function.address;
    let register = FIRST + 4 * bar.index;
    let command = config.read(address, COMMAND) & 0xffff;
    config.write(address, COMMAND, command & !(COMMAND_IO | COMMAND_MEMORY));
    let low_mask = probe(config, address, register);
    let high_mask = if bar.wide { probe(config, address, register + 4) } else { u32::MAX };
    config.write(address, COMMAND, command);
    if low_mask == 0 {
        return Err(BarError::Absent);
    }
    let bytes = (!(join(low_mask, high_mask) & !FLAGS)).wrapping_add(1);
    let sound =
        bytes.is_power_of_two() && bytes <= PCI_BAR_BYTES && bar.base.checked_add(bytes).is_some();
    if sound { Ok(bytes) } else { Err(BarError::Size) }
}

/// Writes ones, reads which of them stay, and puts the old value back.
fn probe(config: &impl ConfigAccess, address: Address, register: u8) -> u32 {
    let old = config.read(address, register);
    config.write(address, register, u32::MAX);
    let mask = config.read(address, register);
    config.write(address, register, old);
    mask
}

fn join(low: u32, high: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

/// Where nothing is: the 32-bit PCI window without what is taken.
#[derive(Debug, Default)]
pub struct Gaps {
    taken: Vec<Range<u64>>,
}

impl Gaps {
    /// Starts with ranges that are taken: RAM, the ECAM region, BARs that have an address.
    #[must_use]
    pub fn without(taken: Vec<Range<u64>>) -> Self {
        Gaps { taken }
    }

    /// Takes a range of `bytes` (a power of two), aligned to its size.
    pub fn take(&mut self, bytes: u64) -> Option<u64> {
        let mut base = PCI_WINDOW_START.next_multiple_of(bytes);
        loop {
            let end = base.checked_add(bytes)?;
            if end > PCI_WINDOW_END {
                return None;
            }
            // Each turn moves behind one taken range, so there are no more turns than ranges.
            match self.taken.iter().find(|range| range.start < end && base < range.end) {
                Some(range) => base = range.end.checked_next_multiple_of(bytes)?,
                None => {
                    self.taken.push(base..end);
                    return Some(base);
                }
            }
        }
    }
}

/// Gives a BAR without address the one that `place` finds for its size, and returns it placed.
///
/// # Errors
///
/// [`BarError`], if it has no sound size or `place` finds nothing.
pub fn assign(
    config: &impl ConfigAccess,
    function: &Function,
    bar: Bar,
    place: impl FnOnce(u64) -> Option<u64>,
) -> Result<Bar, BarError> {
    let bytes = size(config, function, &bar)?;
    let base = place(bytes).ok_or(BarError::NoRoom)?;
    let [low, high] = halves(base);
    let register = FIRST + 4 * bar.index;
    config.write(function.address, register, low);
    if bar.wide {
        config.write(function.address, register + 4, high);
    }
    Ok(Bar { base, ..bar })
}

/// The ranges of all BARs that have an address.
pub fn assigned_ranges(config: &impl ConfigAccess, functions: &[Function]) -> Vec<Range<u64>> {
    let mut taken = Vec::new();
    for function in functions {
        let mut index = 0;
        while index < COUNT {
            let bar = read(config, function, index).ok();
            if let Some(bar) = bar.filter(|bar| bar.base != 0)
                && let Ok(bytes) = size(config, function, &bar)
            {
                taken.push(bar.base..bar.base + bytes);
            }
            index += if bar.is_some_and(|bar| bar.wide) { 2 } else { 1 };
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeMachine;
    use super::*;
    use proptest::prelude::*;

    fn machine() -> (FakeMachine, Function) {
        let address = Address::new(0, 3, 0).unwrap();
        let machine = FakeMachine::default();
        machine.add(address, 0x1af4, 0x1041, 0);
        (machine, Function { address, vendor: 0x1af4, device: 0x1041, bridge: false })
    }

    fn sized(machine: &FakeMachine, function: &Function, index: u8) -> Result<u64, BarError> {
        size(machine, function, &read(machine, function, index)?)
    }

    #[test]
    fn sizing_leaves_the_registers_as_they_were() {
        let (machine, function) = machine();
        machine.bar(function.address, 1, 0x1000, false, 0xfebc_1000);
        machine.bar(function.address, 4, 0x4000, true, 0x3_0000_4000);
        machine.set(function.address, COMMAND, 0x0010_0107);
        let small = Bar { index: 1, base: 0xfebc_1000, wide: false };
        let large = Bar { index: 4, base: 0x3_0000_4000, wide: true };
        assert_eq!(read(&machine, &function, 1), Ok(small));
        assert_eq!(read(&machine, &function, 4), Ok(large));
        assert_eq!(sized(&machine, &function, 1), Ok(0x1000));
        assert_eq!(sized(&machine, &function, 4), Ok(0x4000));
        assert_eq!(read(&machine, &function, 1), Ok(small));
        assert_eq!(read(&machine, &function, 4), Ok(large));
        assert_eq!(machine.read(function.address, COMMAND) & 0xffff, 0x107);
    }

    #[test]
    fn what_is_no_memory_bar_is_an_error() {
        let (machine, function) = machine();
        machine.set(function.address, 0x10, 0xc001);
        assert_eq!(read(&machine, &function, 0), Err(BarError::Io));
        assert_eq!(sized(&machine, &function, 2), Err(BarError::Absent));
        assert_eq!(read(&machine, &function, 6), Err(BarError::NoSuchBar));
        assert_eq!(
            read(&machine, &Function { bridge: true, ..function }, 2),
            Err(BarError::NoSuchBar)
        );
        machine.set(function.address, 0x24, WIDE);
        assert_eq!(read(&machine, &function, 5), Err(BarError::NoSuchBar));
        machine.bar(function.address, 2, PCI_BAR_BYTES, false, 0);
        assert_eq!(sized(&machine, &function, 2), Ok(PCI_BAR_BYTES));
        machine.bar(function.address, 2, PCI_BAR_BYTES * 2, false, 0);
        assert_eq!(sized(&machine, &function, 2), Err(BarError::Size));
    }

    #[test]
    fn bars_at_zero_get_an_address_outside_of_what_is_taken() {
        let (machine, function) = machine();
        machine.bar(function.address, 1, 0x1000, false, 0);
        machine.bar(function.address, 4, 0x4000, true, 0);
        let mut gaps = Gaps::without(alloc::vec![0..PCI_WINDOW_START + 0x800]);
        let mut give = |index| {
            let bar = read(&machine, &function, index).unwrap();
            assign(&machine, &function, bar, |bytes| gaps.take(bytes)).unwrap()
        };
        let (small, large) = (give(1), give(4));
        assert_eq!(small.base, PCI_WINDOW_START + 0x1000);
        assert_eq!(large.base, PCI_WINDOW_START + 0x4000);
        assert_eq!(read(&machine, &function, 4), Ok(large));
        assert_eq!(assign(&machine, &function, large, |_| None), Err(BarError::NoRoom));
        assert_eq!(
            assigned_ranges(&machine, &[function]),
            [small.base..small.base + 0x1000, large.base..large.base + 0x4000]
        );
    }

    #[test]
    fn a_full_window_has_no_room() {
        let mut gaps = Gaps::without(alloc::vec![PCI_WINDOW_START..PCI_WINDOW_END - 0x1000]);
        assert_eq!(gaps.take(0x2000), None);
        assert_eq!(gaps.take(0x1000), Some(PCI_WINDOW_END - 0x1000));
        assert_eq!(gaps.take(0x1000), None);
    }

    proptest! {
        #[test]
        fn taken_ranges_never_overlap(
            starts in prop::collection::vec(0xbff0_0000_u64..0xff00_0000, 0..20),
            lengths in prop::collection::vec(0_u64..0x0100_0000, 20),
            shifts in prop::collection::vec(4_u32..24, 1..20),
        ) {
            let ranges = starts.iter().zip(&lengths);
            let fixed: Vec<Range<u64>> = ranges.map(|(start, len)| *start..start + len).collect();
            let mut gaps = Gaps::without(fixed.clone());
            let mut given: Vec<Range<u64>> = Vec::new();
            for shift in shifts {
                let bytes = 1_u64 << shift;
                if let Some(base) = gaps.take(bytes) {
                    prop_assert_eq!(base % bytes, 0);
                    prop_assert!(base >= PCI_WINDOW_START && base + bytes <= PCI_WINDOW_END);
                    for range in fixed.iter().chain(&given) {
                        let apart = range.end <= base || base + bytes <= range.start;
                        prop_assert!(apart || range.is_empty());
                    }
                    given.push(base..base + bytes);
                }
            }
        }
    }
}
