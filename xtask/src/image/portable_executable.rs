//! The PE header in the first sector of a bzImage: EFI starts the same file.
//!
//! Specification: Microsoft PE format; UEFI 2.10, section 2.1.1. Small firmware wants more: the header
//! in the first sector, sections at multiples of 512 bytes, an image base of 0 with relocations
//! present (there are none to apply). Every section lies in memory as far from the others as in
//! the file, so that the stub finds everything by distance.

/// Where the header is.
const HEADER_AT: u32 = 0x40;
/// Bytes to which a section is aligned, in file and memory.
const ALIGNMENT: u32 = 4096;
/// Bytes that are called the headers: up to where the first section begins.
const HEADERS_BYTES: u32 = 4096;
/// Bytes of the table of relocations, which says that there are none.
pub const RELOCATIONS: [u8; 12] = [0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0];

/// What may be done with a section, as its characteristics say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Read and execute.
    Code,
    /// Read and write.
    Data,
    /// Read.
    Constants,
    /// Read, while the file is loaded.
    Relocations,
}

impl Use {
    fn characteristics(self) -> u32 {
        match self {
            Use::Code => 0x6000_0020,
            Use::Data => 0xC000_0040,
            Use::Constants => 0x4000_0040,
            Use::Relocations => 0x4200_0040,
        }
    }
}

/// A section; `at` both in the file and in memory.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// At most 8 bytes.
    pub name: &'static str,
    /// From the start of the file.
    pub at: u32,
    /// Bytes in memory.
    pub bytes: u32,
    /// Bytes in the file.
    pub file_bytes: u32,
    /// What for.
    pub purpose: Use,
}

/// The header's bytes up to the end of the section table, for the start of the file.
///
/// `entry` is EFI's entry, from the start of the file; the last section is that of the relocations.
#[must_use]
pub fn header(entry: u32, sections: &[Section]) -> Vec<u8> {
    const DIRECTORIES: u32 = 6;
    const OPTIONAL_BYTES: u16 = 112 + 8 * 6;
    const RELOCATION_DIRECTORY: u32 = 5;
    let end = sections.iter().map(|section| section.at + section.bytes).max().unwrap_or(0);
    let sum = |purpose| -> u32 {
        let same = sections.iter().filter(|section| section.purpose == purpose);
        same.map(|section| section.file_bytes).sum()
    };
    let mut out = Writer(b"MZ".to_vec());
    out.0.resize(0x3C, 0);
    out.u32(HEADER_AT);
    out.0.extend(b"PE\0\0");
    out.u16(0x8664); // x86-64
    out.u16(u16::try_from(sections.len()).unwrap_or(u16::MAX));
    out.u32(0); // time: none, so that builds are the same
    out.u32(0); // symbols
    out.u32(0);
    out.u16(OPTIONAL_BYTES);
    out.u16(0x0206); // executable, no line numbers, no debug information
    out.u16(0x020B); // PE32+
    out.u16(0); // linker's version
    out.u32(sum(Use::Code));
    out.u32(sum(Use::Data) + sum(Use::Constants));
    out.u32(0); // uninitialised data
    out.u32(entry);
    out.u32(sections.first().map_or(0, |section| section.at));
    out.u64(0); // image base: anywhere
    out.u32(ALIGNMENT);
    out.u32(512);
    out.u32(0); // operating system's version
    out.u32(0); // image's version
    out.u32(1); // subsystem's version, 1.0
    out.u32(0);
    out.u32(end.next_multiple_of(ALIGNMENT));
    out.u32(HEADERS_BYTES);
    out.u32(0); // checksum, which EFI ignores
    out.u16(10); // EFI application
    out.u16(0x0100); // data need not be executable
    for _ in 0..4 {
        out.u64(0); // stack and heap
    }
    out.u32(0);
    out.u32(DIRECTORIES);
    let relocations = sections.last().filter(|section| section.purpose == Use::Relocations);
    for directory in 0..DIRECTORIES {
        let found = relocations.filter(|_| directory == RELOCATION_DIRECTORY);
        out.u32(found.map_or(0, |section| section.at));
        out.u32(found.map_or(0, |section| section.bytes));
    }
    for section in sections {
        let mut name = section.name.as_bytes().to_vec();
        name.resize(8, 0);
        out.0.extend(name);
        out.u32(section.bytes);
        out.u32(section.at);
        out.u32(section.file_bytes);
        out.u32(section.at);
        out.u64(0); // relocations and line numbers of object files
        out.u32(0);
        out.u32(section.purpose.characteristics());
    }
    out.0
}

struct Writer(Vec<u8>);

impl Writer {
    fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }
}
