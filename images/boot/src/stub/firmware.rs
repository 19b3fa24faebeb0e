//! EFI's tables and services, as far as they are used.
//!
//! Specification: UEFI 2.10, chapters 4, 7 and 9. Only what small firmware has as well is asked for:
//! memory, the memory map, the loaded image, and the exit. Functions are called through
//! `stub_firmware` of `entry`, so that handlers of the firmware's interrupts never meet Rust's stack.

use boot_code::limits::EFI_TABLES;

use super::memory;

const SUCCESS: u64 = 0;
const BELOW_ADDRESS: u64 = 1;
const LOADER_DATA: u64 = 2;
const PAGE_BYTES: u64 = 4096;

const CONSOLE_OUT: u64 = 64;
const BOOT_SERVICES: u64 = 96;
const TABLE_COUNT: u64 = 104;
const TABLES: u64 = 112;

const ALLOCATE_PAGES: u64 = 0x28;
const GET_MEMORY_MAP: u64 = 0x38;
const HANDLE_PROTOCOL: u64 = 0x98;
const EXIT_BOOT_SERVICES: u64 = 0xE8;
const SET_WATCHDOG_TIMER: u64 = 0x100;

/// A GUID as it lies in memory.
pub type Guid = [u8; 16];

/// 5b1b31a1-9562-11d2-8e3f-00a0c969723b
const LOADED_IMAGE: Guid =
    [0xA1, 0x31, 0x1B, 0x5B, 0x62, 0x95, 0xD2, 0x11, 0x8E, 0x3F, 0, 0xA0, 0xC9, 0x69, 0x72, 0x3B];
/// 8868e871-e4f1-11d3-bc22-0080c73c8881
pub const ACPI_2: Guid =
    [0x71, 0xE8, 0x68, 0x88, 0xF1, 0xE4, 0xD3, 0x11, 0xBC, 0x22, 0, 0x80, 0xC7, 0x3C, 0x88, 0x81];
/// eb9d2d30-2d88-11d3-9a16-0090273fc14d
pub const ACPI_1: Guid =
    [0x30, 0x2D, 0x9D, 0xEB, 0x88, 0x2D, 0xD3, 0x11, 0x9A, 0x16, 0, 0x90, 0x27, 0x3F, 0xC1, 0x4D];

unsafe extern "C" {
    /// `stub_firmware` of `entry`.
    fn stub_firmware(function: u64, a: u64, b: u64, c: u64, d: u64, e: u64) -> u64;
}

/// The firmware that runs beside us until it is told to exit.
#[derive(Clone, Copy, Debug)]
pub struct Firmware {
    table: u64,
    services: u64,
}

/// A memory map, as it lies where the firmware was told to write it.
#[derive(Clone, Copy, Debug)]
pub struct MemoryMap {
    /// Bytes of it.
    pub bytes: u64,
    /// Bytes from one descriptor to the next.
    pub stride: u64,
    /// What proves that one knows it.
    key: u64,
}

impl Firmware {
    /// The firmware of this system table.
    ///
    /// # Safety
    /// It is the table that the firmware gave, and its boot services are still there.
    pub unsafe fn new(table: u64) -> Firmware {
        // SAFETY: by the caller's promise.
        Firmware { table, services: unsafe { memory::read(table + BOOT_SERVICES) } }
    }

    fn field(self, offset: u64) -> u64 {
        // SAFETY: the system table is there by the promise of `new`.
        unsafe { memory::read(self.table + offset) }
    }

    fn call(self, service: u64, [a, b, c, d, e]: [u64; 5]) -> u64 {
        // SAFETY: the boot services' table is there by the promise of `new`.
        let function = unsafe { memory::read(self.services + service) };
        // SAFETY: a boot service; the callers here give the arguments that it takes.
        unsafe { stub_firmware(function, a, b, c, d, e) }
    }

    /// Shows `text` on the firmware's console.
    pub fn say(self, text: &str) {
        const OUTPUT_STRING: u64 = 8;
        let console = self.field(CONSOLE_OUT);
        if console == 0 {
            return;
        }
        // SAFETY: the console's functions.
        let function = unsafe { memory::read(console + OUTPUT_STRING) };
        for unit in text.encode_utf16() {
            let mut string = [unit, 0];
            // SAFETY: OutputString takes the console and a string that ends with NUL.
            unsafe {
                stub_firmware(function, console, memory::address_of(&mut string), 0, 0, 0);
            };
        }
    }

    /// Switches off the watchdog, which would reset a machine that boots for 5 minutes.
    pub fn stop_watchdog(self) {
        // Firmware without a watchdog says so, which is as good.
        let _status = self.call(SET_WATCHDOG_TIMER, [0; 5]);
    }

    /// The load options of the program with this handle.
    pub fn load_options(self, handle: u64) -> Option<&'static [u8]> {
        const OPTIONS_BYTES: u64 = 48;
        const OPTIONS: u64 = 56;
        let (mut protocol, mut image) = (LOADED_IMAGE, 0_u64);
        let arguments =
            [handle, memory::address_of(&mut protocol), memory::address_of(&mut image), 0, 0];
        if self.call(HANDLE_PROTOCOL, arguments) != SUCCESS || image == 0 {
            return None;
        }
        // SAFETY: the firmware's description of the image.
        let length: u32 = unsafe { memory::read(image + OPTIONS_BYTES) };
        // SAFETY: likewise.
        let options: u64 = unsafe { memory::read(image + OPTIONS) };
        // SAFETY: so many bytes are there, and nobody writes to them while this program runs.
        Some(unsafe { memory::bytes(options, u64::from(length)) })
    }

    /// `bytes` of memory that ends below `end`, in whole pages.
    pub fn allocate(self, bytes: u64, end: u64) -> Option<u64> {
        let mut address = end - 1;
        let pages = bytes.div_ceil(PAGE_BYTES);
        let arguments = [BELOW_ADDRESS, LOADER_DATA, pages, memory::address_of(&mut address), 0];
        (self.call(ALLOCATE_PAGES, arguments) == SUCCESS).then_some(address)
    }

    /// Writes the memory map to `buffer`, which has room for `bytes`.
    pub fn memory_map(self, buffer: u64, bytes: u64) -> Option<MemoryMap> {
        let mut map = MemoryMap { bytes, stride: 0, key: 0 };
        let mut version = 0_u32;
        let arguments = [
            memory::address_of(&mut map.bytes),
            buffer,
            memory::address_of(&mut map.key),
            memory::address_of(&mut map.stride),
            memory::address_of(&mut version),
        ];
        let status = self.call(GET_MEMORY_MAP, arguments);
        (status == SUCCESS && map.bytes <= bytes).then_some(map)
    }

    /// Tells the firmware to leave; whether it did. If so, none of this may be called again.
    pub fn exit(self, handle: u64, map: &MemoryMap) -> bool {
        self.call(EXIT_BOOT_SERVICES, [handle, map.key, 0, 0, 0]) == SUCCESS
    }

    /// Its configuration table.
    pub fn configuration(self) -> Option<Configuration> {
        // SAFETY: by the promise of `new`.
        unsafe { Configuration::of(self.table, u64::MAX) }
    }
}

/// EFI's configuration table: what stands where, by GUIDs. It outlives the boot services.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    entries: u64,
    count: u64,
}

impl Configuration {
    const ENTRY_BYTES: u64 = 24;

    /// That of a system table; none if one of the two lies beyond `mapped`.
    ///
    /// # Safety
    /// Below `mapped` the tables of a firmware are mapped, and `table` is its system table.
    pub unsafe fn of(table: u64, mapped: u64) -> Option<Configuration> {
        if table == 0 || table >= mapped {
            return None;
        }
        // SAFETY: by the caller's promise.
        let count = unsafe { memory::read::<u64>(table + TABLE_COUNT) }.min(EFI_TABLES);
        // SAFETY: likewise.
        let entries: u64 = unsafe { memory::read(table + TABLES) };
        let end = entries.checked_add(count * Configuration::ENTRY_BYTES)?;
        (entries != 0 && end <= mapped).then_some(Configuration { entries, count })
    }

    /// What stands under `wanted`.
    pub fn find(self, wanted: &Guid) -> Option<u64> {
        let entries = (0..self.count).map(|index| self.entries + index * Self::ENTRY_BYTES);
        entries.into_iter().find_map(|entry| {
            // SAFETY: the firmware says that there are so many entries.
            let guid: Guid = unsafe { memory::read(entry) };
            // SAFETY: likewise.
            (guid == *wanted).then(|| unsafe { memory::read(entry + 16) })
        })
    }
}
