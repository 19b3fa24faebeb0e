//! A file that Linux boot loaders and EFI start: the kernel's ELF file behind the boot code.
//!
//! Specification: Linux Documentation/arch/x86/boot.rst, protocol 2.15. In the file: 8 sectors of header
//! and 16-bit code, the stub with its 32-bit and 64-bit entries, a page with a command line, the ELF
//! file byte for byte, the table of EFI's relocations.

use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use super::boot_code::BootCode;
use super::portable_executable::{self, RELOCATIONS, Section, Use};

/// Bytes before the protected-mode part.
pub const SETUP_BYTES: usize = 4096;
/// Bytes of command line that fit, without their NUL.
pub const MAX_COMMAND_LINE: usize = PAGE - 1;

const PAGE: usize = 4096;
const SECTOR: usize = 512;
/// Where the protected-mode part is loaded to, and where the kernel starts.
const LOADED_AT: u64 = 0x10_0000;
/// Where EFI's entry is in the stub, and the word for the image's length.
const EFI_ENTRY: usize = 0x400;
const IMAGE_BYTES_AT: usize = 0x600;
const KERNEL_INFO_AT: u32 = 0x608;
/// Where the setup code has room for the version's text.
const VERSION_AT: usize = 0xF00;
const HEADER_END: usize = 0x26C;

/// The bzImage of the ELF image `elf`, with the command line that counts where the loader gives none.
///
/// # Errors
/// When the boot code or the kernel is not as expected, or the command line is too long.
pub fn bzimage(boot: &BootCode, elf: &[u8], command_line: &str) -> Result<Vec<u8>> {
    ensure!(boot.setup.len() <= VERSION_AT, "the setup code is too long");
    ensure!(boot.setup.len() >= HEADER_END, "the setup code has no room for its header");
    ensure!(boot.stub.len().is_multiple_of(PAGE), "the stub is not made of pages");
    ensure!(command_line.len() <= MAX_COMMAND_LINE, "the command line is too long");
    ensure!(!command_line.contains('\0'), "the command line contains a NUL");
    let end = end_in_memory(elf)?;

    let mut file = boot.setup.clone();
    file.resize(VERSION_AT, 0);
    file.extend(format!("aerolith {}", env!("CARGO_PKG_VERSION")).as_bytes());
    file.resize(SETUP_BYTES, 0);
    let data = SETUP_BYTES + boot.writable_from;
    file.extend(&boot.stub);
    let words = file.len();
    file.extend(command_line.as_bytes());
    file.resize(words + PAGE, 0);
    let kernel = file.len();
    file.extend(elf);
    let image_bytes = (file.len() - SETUP_BYTES) as u64;
    file.resize(file.len().next_multiple_of(PAGE), 0);
    let relocations = file.len();
    file.extend(RELOCATIONS);
    file.resize(relocations + SECTOR, 0);

    let sections = [
        section(".text", SETUP_BYTES, data - SETUP_BYTES, Use::Code)?,
        section(".data", data, words - data, Use::Data)?,
        section(".cmdline", words, PAGE, Use::Constants)?,
        section(".kernel", kernel, relocations - kernel, Use::Constants)?,
        Section {
            bytes: u32::try_from(RELOCATIONS.len())?,
            ..section(".reloc", relocations, SECTOR, Use::Relocations)?
        },
    ];
    let entry = u32::try_from(SETUP_BYTES + EFI_ENTRY)?;
    let header = portable_executable::header(entry, &sections);
    ensure!(header.len() <= 0x1F1, "the two headers overlap");
    file[..header.len()].copy_from_slice(&header);

    // The kernel's place or the image, whichever ends later, and beside it once more the image.
    let first = (end - LOADED_AT).max(image_bytes).next_multiple_of(PAGE as u64);
    let init_size = u32::try_from(first + image_bytes.next_multiple_of(PAGE as u64))?;
    let protected = file.len() - SETUP_BYTES;
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1F1, &[u8::try_from(SETUP_BYTES / SECTOR - 1)?]);
    put(0x1F4, &u32::try_from(protected.div_ceil(16))?.to_le_bytes());
    put(0x1FA, &0xFFFF_u16.to_le_bytes()); // the usual video mode
    put(0x1FE, &0xAA55_u16.to_le_bytes());
    put(0x202, b"HdrS");
    put(0x206, &0x020F_u16.to_le_bytes());
    put(0x20E, &u16::try_from(VERSION_AT - 0x200)?.to_le_bytes());
    put(0x211, &[1]); // loaded high
    put(0x214, &u32::try_from(LOADED_AT)?.to_le_bytes());
    put(0x22C, &0x7FFF_FFFF_u32.to_le_bytes()); // highest address of a RAM disk
    put(0x230, &u32::try_from(LOADED_AT)?.to_le_bytes()); // alignment
    put(0x235, &[12]);
    put(0x236, &1u16.to_le_bytes()); // has a 64-bit entry
    put(0x238, &u32::try_from(MAX_COMMAND_LINE)?.to_le_bytes());
    put(0x248, &u32::try_from(kernel - SETUP_BYTES)?.to_le_bytes());
    put(0x24C, &u32::try_from(elf.len())?.to_le_bytes());
    put(0x258, &LOADED_AT.to_le_bytes());
    put(0x260, &init_size.to_le_bytes());
    put(0x268, &KERNEL_INFO_AT.to_le_bytes());
    put(SETUP_BYTES + IMAGE_BYTES_AT, &image_bytes.to_le_bytes());
    Ok(file)
}

fn section(name: &'static str, at: usize, bytes: usize, purpose: Use) -> Result<Section> {
    let bytes = u32::try_from(bytes)?;
    Ok(Section { name, at: u32::try_from(at)?, bytes, file_bytes: bytes, purpose })
}

/// Where the kernel ends in memory.
fn end_in_memory(elf: &[u8]) -> Result<u64> {
    let header = FileHeader64::<LittleEndian>::parse(elf).context("the kernel is no ELF file")?;
    let segments = header.program_headers(LittleEndian, elf)?;
    let loaded = segments.iter().filter(|segment| segment.p_type(LittleEndian) == PT_LOAD);
    let place = |segment: &ProgramHeader64| {
        let start = segment.p_paddr(LittleEndian);
        (start, start.saturating_add(segment.p_memsz(LittleEndian)))
    };
    let (starts, ends): (Vec<u64>, Vec<u64>) = loaded.map(place).unzip();
    let start = starts.into_iter().min().context("the kernel has no segments")?;
    ensure!(start == LOADED_AT, "the kernel starts at {start:#x}, not at {LOADED_AT:#x}");
    ends.into_iter().max().context("the kernel has no segments")
}

type ProgramHeader64 = object::elf::ProgramHeader64<LittleEndian>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux_loader;

    fn boot() -> BootCode {
        let mut setup = vec![0xCC; 0x400];
        setup[0x200..0x202].copy_from_slice(&[0xEB, 0x6A]);
        BootCode { master: vec![], setup, stub: vec![0x90; 3 * PAGE], writable_from: 2 * PAGE }
    }

    fn elf(memory: u64) -> Vec<u8> {
        linux_loader::kernel(LOADED_AT, LOADED_AT, memory, b"kernel")
    }

    fn u32_at(file: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(*file[at..].first_chunk().unwrap())
    }

    #[test]
    fn says_what_loaders_ask_for() {
        let kernel = elf(0x20_0000);
        let file = bzimage(&boot(), &kernel, "a=b").unwrap();
        assert_eq!(file[0x1F1], 7, "sectors of setup after the first");
        assert_eq!(file[0x1FE..0x202], [0x55, 0xAA, 0xEB, 0x6A]);
        assert_eq!(&file[0x202..0x208], b"HdrS\x0F\x02");
        assert_eq!(u32_at(&file, 0x1F4) as usize * 16, file.len() - SETUP_BYTES);
        let payload = SETUP_BYTES + u32_at(&file, 0x248) as usize;
        assert_eq!(u32_at(&file, 0x24C) as usize, kernel.len());
        assert_eq!(file[payload..payload + kernel.len()], kernel, "the same kernel, byte for byte");
        assert_eq!(&file[payload - PAGE..payload - PAGE + 4], b"a=b\0");
        let version = 0x200 + usize::from(u16::from_le_bytes([file[0x20E], file[0x20F]]));
        assert!(file[version..].starts_with(b"aerolith "));
        let image_bytes = u32_at(&file, SETUP_BYTES + IMAGE_BYTES_AT) as usize;
        assert_eq!(SETUP_BYTES + image_bytes, payload + kernel.len());
        assert_eq!(file.len() % SECTOR, 0, "disks have whole sectors");
    }

    #[test]
    fn asks_for_room_for_the_kernel_and_once_more_the_image() {
        for memory in [0x1000, 0x20_0000] {
            let file = bzimage(&boot(), &elf(memory), "").unwrap();
            let image = u32_at(&file, SETUP_BYTES + IMAGE_BYTES_AT).next_multiple_of(4096);
            let needed = u32::try_from(memory).unwrap().max(image) + image;
            assert_eq!(u32_at(&file, 0x260), needed);
        }
    }

    #[test]
    fn the_command_line_has_a_bound() {
        let file = |line: &str| bzimage(&boot(), &elf(0x1000), line);
        assert!(file(&"x".repeat(MAX_COMMAND_LINE)).is_ok());
        assert!(file(&"x".repeat(MAX_COMMAND_LINE + 1)).is_err());
        assert!(file("a\0b").is_err());
    }

    #[test]
    fn refuses_what_would_not_boot() {
        let elsewhere = linux_loader::kernel(LOADED_AT + 4096, LOADED_AT + 4096, 4096, b"k");
        assert!(bzimage(&boot(), &elsewhere, "").is_err());
        assert!(bzimage(&boot(), b"no kernel", "").is_err());
        let odd = BootCode { stub: vec![0; 100], ..boot() };
        assert!(bzimage(&odd, &elf(4096), "").is_err());
        let long = BootCode { setup: vec![0; VERSION_AT + 1], ..boot() };
        assert!(bzimage(&long, &elf(4096), "").is_err());
    }
}
