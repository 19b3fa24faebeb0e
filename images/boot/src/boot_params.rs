//! The Linux boot protocol's `boot_params` page: what is read of it, and how one is made.
//!
//! Specification: Linux Documentation/arch/x86/boot.rst and zero-page.rst. Loaders of the 16-bit
//! and 32-bit protocol fill one; under EFI there is none, so it is made here.

use crate::limits::{COMMAND_LINE_BYTES, MEMORY_MAP_ENTRIES};
use crate::{Range, u32_at, u64_at};

/// Bytes of the structure.
pub const BYTES: usize = 4096;

const ACPI_RSDP: usize = 0x070;
const EXT_RAMDISK_IMAGE: usize = 0x0C0;
const EXT_RAMDISK_SIZE: usize = 0x0C4;
const EXT_COMMAND_LINE: usize = 0x0C8;
const EFI_SIGNATURE: usize = 0x1C0;
const EFI_TABLE: usize = 0x1C4;
const EFI_TABLE_HIGH: usize = 0x1D8;
const E820_ENTRIES: usize = 0x1E8;
const BOOT_FLAG: usize = 0x1FE;
const HEADER_MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const TYPE_OF_LOADER: usize = 0x210;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21C;
const COMMAND_LINE: usize = 0x228;
const E820_TABLE: usize = 0x2D0;
const E820_ENTRY_BYTES: usize = 20;

/// The protocol's version that is spoken, 2.15.
pub const PROTOCOL_VERSION: u16 = 0x020F;
/// A loader without a number of its own.
const UNDEFINED_LOADER: u8 = 0xFF;

/// One entry of the memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub range: Range,
    /// The type number that E820 gives it (ACPI 6.5, table 15.4).
    pub kind: u32,
}

/// Usable RAM.
pub const USABLE: u32 = 1;
/// Not to be touched.
pub const RESERVED: u32 = 2;
/// RAM with ACPI's tables.
pub const ACPI_TABLES: u32 = 3;
/// RAM that the firmware keeps its state in.
pub const ACPI_STORAGE: u32 = 4;

/// What somebody filled.
#[derive(Clone, Copy, Debug)]
pub struct BootParams<'a>(&'a [u8]);

impl<'a> BootParams<'a> {
    /// The structure in `bytes`; what it lacks counts as zero.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> BootParams<'a> {
        BootParams(bytes)
    }

    fn wide(&self, low: usize, high: usize) -> u64 {
        let word = |offset| u64::from(u32_at(self.0, offset).unwrap_or(0));
        word(high) << 32 | word(low)
    }

    /// Where the command line is; 0 for none.
    #[must_use]
    pub fn command_line(&self) -> u64 {
        self.wide(COMMAND_LINE, EXT_COMMAND_LINE)
    }

    /// The initial RAM disk; empty for none.
    #[must_use]
    pub fn ramdisk(&self) -> Range {
        let start = self.wide(RAMDISK_IMAGE, EXT_RAMDISK_IMAGE);
        Range::new(start, self.wide(RAMDISK_SIZE, EXT_RAMDISK_SIZE))
    }

    /// Where ACPI's root pointer is; 0 if the loader does not say.
    #[must_use]
    pub fn rsdp(&self) -> u64 {
        u64_at(self.0, ACPI_RSDP).unwrap_or(0)
    }

    /// Where the system table of 64-bit EFI is, of which the loader has taken over the machine.
    #[must_use]
    pub fn efi_system_table(&self) -> Option<u64> {
        let signature = self.0.get(EFI_SIGNATURE..)?.first_chunk::<4>()?;
        (signature == b"EL64").then(|| self.wide(EFI_TABLE, EFI_TABLE_HIGH))
    }

    /// The memory map, in the loader's order.
    pub fn memory_map(&self) -> impl Iterator<Item = Entry> + Clone + use<'a> {
        let count = self.0.get(E820_ENTRIES).copied().map_or(0, usize::from);
        let table = self.0.get(E820_TABLE..).unwrap_or_default();
        let entries = table.chunks_exact(E820_ENTRY_BYTES).take(count.min(MEMORY_MAP_ENTRIES));
        entries.filter_map(|entry| {
            let range = Range::new(u64_at(entry, 0)?, u64_at(entry, 8)?);
            Some(Entry { range, kind: u32_at(entry, 16)? })
        })
    }
}

/// Puts `address` of a command line into a structure that exists.
pub fn set_command_line(params: &mut [u8], address: u64) {
    put(params, COMMAND_LINE, &low(address).to_le_bytes());
    put(params, EXT_COMMAND_LINE, &low(address >> 32).to_le_bytes());
}

/// Puts the address of ACPI's root pointer into a structure that exists.
pub fn set_rsdp(params: &mut [u8], address: u64) {
    put(params, ACPI_RSDP, &address.to_le_bytes());
}

/// Makes one of nothing: `command_line` and `rsdp` are addresses, 0 for none.
pub fn make(
    params: &mut [u8],
    command_line: u64,
    rsdp: u64,
    memory_map: impl IntoIterator<Item = Entry>,
) {
    params.fill(0);
    put(params, BOOT_FLAG, &0xAA55_u16.to_le_bytes());
    put(params, HEADER_MAGIC, b"HdrS");
    put(params, VERSION, &PROTOCOL_VERSION.to_le_bytes());
    put(params, TYPE_OF_LOADER, &[UNDEFINED_LOADER]);
    set_rsdp(params, rsdp);
    set_command_line(params, command_line);
    let mut count = 0;
    for (entry, index) in memory_map.into_iter().zip(0..MEMORY_MAP_ENTRIES) {
        let at = E820_TABLE + index * E820_ENTRY_BYTES;
        put(params, at, &entry.range.start.to_le_bytes());
        put(params, at + 8, &entry.range.bytes().to_le_bytes());
        put(params, at + 16, &entry.kind.to_le_bytes());
        count += 1;
    }
    put(params, E820_ENTRIES, &[count]);
}

/// The command line that counts: the loader's unless that is empty, else the image's own. Both end
/// at their NUL.
#[must_use]
pub fn command_line<'a>(loader: &'a [u8], own: &'a [u8]) -> &'a [u8] {
    let loader = text(loader);
    if loader.trim_ascii().is_empty() { text(own) } else { loader }
}

/// `bytes` before the first NUL, and no more than fits a command line with its own.
fn text(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.get(..COMMAND_LINE_BYTES - 1).unwrap_or(bytes);
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The port that `aerolith.debug_exit=` names on a command line.
#[must_use]
pub fn debug_exit(command_line: &[u8]) -> Option<u16> {
    let words = command_line.split(u8::is_ascii_whitespace);
    let value = words.filter_map(|word| word.strip_prefix(b"aerolith.debug_exit=")).next_back()?;
    let value = core::str::from_utf8(value).ok()?;
    match value.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn low(value: u64) -> u32 {
    value as u32
}

fn put(params: &mut [u8], offset: usize, bytes: &[u8]) {
    for (to, from) in params.iter_mut().skip(offset).zip(bytes) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypervisor_glue::boot::physical::PhysicalMemory;
    use hypervisor_glue::boot::{BootInfo, linux};
    use proptest::prelude::*;

    const PARAMS: u64 = 0x9000;

    /// The structure at `PARAMS`, and behind it a command line.
    struct Memory(Vec<u8>);

    impl PhysicalMemory for Memory {
        fn bytes_up_to(&self, address: u64, length: usize) -> &[u8] {
            let offset = address.checked_sub(PARAMS).and_then(|at| usize::try_from(at).ok());
            let tail = offset.and_then(|at| self.0.get(at..)).unwrap_or_default();
            &tail[..length.min(tail.len())]
        }
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        (any::<u32>(), any::<u32>(), 0..6u32).prop_map(|(start, bytes, kind)| Entry {
            range: Range::new(u64::from(start) << 8, u64::from(bytes)),
            kind,
        })
    }

    #[test]
    fn the_kernel_reads_what_is_made() {
        let usable = Entry { range: Range::new(0x10_0000, 0x100_0000), kind: USABLE };
        let mut memory = Memory(vec![0xEE; 2 * BYTES]);
        make(&mut memory.0[..BYTES], PARAMS + 4096, 0xF_1234, [usable]);
        memory.0[BYTES..BYTES + 8].copy_from_slice(b"a=1 b=2\0");
        let mut info = BootInfo::empty();
        linux::parse(&memory, PARAMS, &mut info).unwrap();
        assert_eq!(info.memory_map.usable_bytes(), 0x100_0000);
        assert_eq!(info.command_line.as_bytes(), b"a=1 b=2");
        assert_eq!(info.rsdp.unwrap().0, 0xF_1234);
        assert_eq!(info.module, None);
    }

    #[test]
    fn the_map_holds_128_entries_and_no_more() {
        for (given, kept) in [(MEMORY_MAP_ENTRIES, 128), (MEMORY_MAP_ENTRIES + 1, 128)] {
            let mut params = vec![0; BYTES];
            let entry = Entry { range: Range::new(4096, 4096), kind: USABLE };
            make(&mut params, 0, 0, core::iter::repeat_n(entry, given));
            assert_eq!(BootParams::new(&params).memory_map().count(), kept);
        }
    }

    #[test]
    fn efi_is_known_by_its_signature() {
        let mut params = vec![0; BYTES];
        params[0x1C4] = 0x40;
        params[0x1D8] = 1;
        assert_eq!(BootParams::new(&params).efi_system_table(), None);
        params[0x1C0..0x1C4].copy_from_slice(b"EL64");
        assert_eq!(BootParams::new(&params).efi_system_table(), Some(0x1_0000_0040));
        set_rsdp(&mut params, 0xF_1234);
        assert_eq!(BootParams::new(&params).rsdp(), 0xF_1234);
        assert_eq!(BootParams::new(&params[..0x1C2]).efi_system_table(), None);
    }

    #[test]
    fn the_loaders_words_come_before_the_images_own() {
        assert_eq!(command_line(b"a\0junk", b"own\0"), b"a");
        assert_eq!(command_line(b" \0", b"own\0junk"), b"own");
        assert_eq!(command_line(b"", b""), b"");
        let long = [b'x'; COMMAND_LINE_BYTES + 1];
        assert_eq!(command_line(&long, b"").len(), COMMAND_LINE_BYTES - 1);
        assert_eq!(command_line(&long[..COMMAND_LINE_BYTES - 1], b"").len(), 4095);
    }

    #[test]
    fn the_exit_port_is_the_last_one_named() {
        assert_eq!(debug_exit(b"a aerolith.debug_exit=0xf4"), Some(0xF4));
        assert_eq!(debug_exit(b"aerolith.debug_exit=1 aerolith.debug_exit=500\n"), Some(500));
        for none in [&b"aerolith.debug_exit=0x10000"[..], b"aerolith.debug_exit=", b"", b"\xFF"] {
            assert_eq!(debug_exit(none), None);
        }
    }

    proptest! {
        #[test]
        fn a_made_map_is_read_back(
            entries in prop::collection::vec(any_entry(), 0..=128),
            line in any::<u64>(),
        ) {
            let mut params = vec![0xEE; BYTES];
            make(&mut params, line, 0, entries.iter().copied());
            let params = BootParams::new(&params);
            prop_assert_eq!(params.memory_map().collect::<Vec<_>>(), entries);
            prop_assert_eq!(params.command_line(), line);
            prop_assert_eq!(params.ramdisk().bytes(), 0);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let params = BootParams::new(&bytes);
            prop_assert!(params.memory_map().count() <= MEMORY_MAP_ENTRIES);
            prop_assert!(params.memory_map().all(|entry| entry.range.start <= entry.range.end));
            let ramdisk = params.ramdisk();
            prop_assert!(ramdisk.start <= ramdisk.end);
            let _port = debug_exit(command_line(&bytes, &bytes));
        }
    }
}
