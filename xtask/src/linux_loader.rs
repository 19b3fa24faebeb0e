//! A stand-in for a loader of the 64-bit Linux boot protocol, for QEMU.
//!
//! QEMU starts an ELF with a PVH note by PVH and nothing else, so the other entry is reached by an
//! image of our making: the kernel's segments as they are, one segment more with a small loader,
//! and a note that points to the loader. It does what the protocol promises and as little else as
//! it can (Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"): page tables that map
//! the kernel, the boot parameters and the command line, and no more; no stack; SSE off.

use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

/// Where the loader lies: 32 MiB, so that the guest needs more.
pub(crate) const BASE: u32 = 0x200_0000;
/// What the memory map calls usable, from 1 MiB: the guest needs 64 MiB.
pub(crate) const MEMORY_END: u64 = 62 << 20;

const GDT: u32 = BASE + 0x200;
const GDT_POINTER: u32 = BASE + 0x240;
const LEVEL4: u32 = BASE + 0x1000;
const LEVEL3: u32 = BASE + 0x2000;
const LEVEL2: u32 = BASE + 0x3000;
const BOOT_PARAMS: u32 = BASE + 0x4000;
const COMMAND_LINE: u32 = BASE + 0x5000;
const LEVEL5: u32 = BASE + 0x6000;
const LOADER_BYTES: usize = 0x7000;
const MAX_COMMAND_LINE: usize = 0xFFF;

const LARGE_PAGE: u64 = 2 << 20;
const HEADER_BYTES: usize = 64;
const SEGMENT_HEADER_BYTES: usize = 56;

/// How deep the page tables are that the loader leaves in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// As everywhere.
    FourLevels,
    /// With CR4.LA57, which nobody can switch off in 64-bit mode.
    FiveLevels,
}

/// The image that starts `kernel` by its ELF entry, with `command_line`; for 64 MiB of memory.
///
/// # Errors
/// When the kernel is no ELF64 image that lies where the loader can map it.
pub fn wrap(kernel: &[u8], command_line: &str, paging: Paging) -> Result<Vec<u8>> {
    ensure!(command_line.len() <= MAX_COMMAND_LINE, "the command line is too long");
    let header = FileHeader64::<LittleEndian>::parse(kernel)?;
    let entry = u32::try_from(header.e_entry(LittleEndian))?;
    let mut segments = Vec::new();
    for segment in header.program_headers(LittleEndian, kernel)? {
        if segment.p_type(LittleEndian) == PT_LOAD {
            let bytes = segment.data(LittleEndian, kernel).ok().context("a segment is cut off")?;
            let start = segment.p_paddr(LittleEndian);
            segments.push(Segment { start, memory: segment.p_memsz(LittleEndian), bytes });
        }
    }
    let end = segments.iter().map(|segment| segment.start + segment.memory).max().unwrap_or(0);
    ensure!(0 < end && end <= u64::from(BASE), "the kernel does not end below the loader");
    let loader = loader(entry, end, command_line, paging)?;
    segments.push(Segment { start: u64::from(BASE), memory: loader.len() as u64, bytes: &loader });
    Ok(image(&segments))
}

/// An ELF64 image of one segment, to be wrapped: `bytes` at `start`, in `memory` bytes of memory.
#[must_use]
pub fn kernel(start: u64, entry: u64, memory: u64, bytes: &[u8]) -> Vec<u8> {
    let mut image = image(&[Segment { start, memory, bytes }]);
    image[0x18..0x20].copy_from_slice(&entry.to_le_bytes());
    image
}

/// Something to load.
pub(crate) struct Segment<'a> {
    pub(crate) start: u64,
    pub(crate) memory: u64,
    pub(crate) bytes: &'a [u8],
}

/// The loader's memory: code, tables, parameters.
fn loader(entry: u32, kernel_end: u64, command_line: &str, paging: Paging) -> Result<Vec<u8>> {
    let mut memory = Memory::new(LOADER_BYTES);
    memory.put(BASE, &code(entry, paging))?;
    // Null, null, 0x10 = 64-bit code, 0x18 = data: the selectors that the protocol names.
    let descriptors = [0, 0, 0x00AF_9B00_0000_FFFF_u64, 0x00CF_9300_0000_FFFF];
    memory.put_words(GDT, &descriptors)?;
    memory.put(GDT_POINTER, &31u16.to_le_bytes())?;
    memory.put(GDT_POINTER + 2, &GDT.to_le_bytes())?;
    for (table, next) in [(LEVEL5, LEVEL4), (LEVEL4, LEVEL3), (LEVEL3, LEVEL2)] {
        memory.put_words(table, &[u64::from(next | 3)])?;
    }
    let kernel_pages = (0..kernel_end).step_by(2 << 20);
    for page in kernel_pages.chain([u64::from(BASE)]) {
        let slot = LEVEL2 + 8 * u32::try_from(page / LARGE_PAGE)?;
        memory.put_words(slot, &[page | 0x83])?;
    }
    memory.put(COMMAND_LINE, command_line.as_bytes())?;
    boot_params(&mut memory)?;
    Ok(memory.into_bytes())
}

/// The fields that a loader of an ELF image fills.
fn boot_params(memory: &mut Memory) -> Result<()> {
    memory.put(BOOT_PARAMS + 0x1E8, &[2])?;
    memory.put(BOOT_PARAMS + 0x1FE, &0xAA55_u16.to_le_bytes())?;
    memory.put(BOOT_PARAMS + 0x202, b"HdrS")?;
    memory.put(BOOT_PARAMS + 0x210, &[0xFF])?;
    memory.put(BOOT_PARAMS + 0x228, &COMMAND_LINE.to_le_bytes())?;
    let regions = [(0, 0x9_FC00), (0x10_0000, MEMORY_END - 0x10_0000)];
    for (at, (start, bytes)) in [BOOT_PARAMS + 0x2D0, BOOT_PARAMS + 0x2E4].into_iter().zip(regions)
    {
        memory.put(at, &u64::to_le_bytes(start))?;
        memory.put(at + 8, &u64::to_le_bytes(bytes))?;
        memory.put(at + 16, &1u32.to_le_bytes())?;
    }
    Ok(())
}

/// From the PVH entry to the kernel's.
fn code(entry: u32, paging: Paging) -> Vec<u8> {
    const PAE: u32 = 1 << 5;
    const LA57: u32 = 1 << 12;
    let (cr4, root) = match paging {
        Paging::FourLevels => (PAE, LEVEL4),
        Paging::FiveLevels => (PAE | LA57, LEVEL5),
    };
    let (rsdp, start, data) = (BOOT_PARAMS + 0x70, BASE + 0x100, 0x18);
    // 32-bit protected mode; ebx = hvm_start_info.
    let mut code = vec![0xFA]; // cli
    code.extend([0x8B, 0x43, 0x20]); // mov eax, [ebx + 32]: where ACPI's root pointer is
    code.push(0xA3); // mov [rsdp], eax
    code.extend(rsdp.to_le_bytes());
    code.push(0xB8); // mov eax, cr4
    code.extend(cr4.to_le_bytes());
    code.extend([0x0F, 0x22, 0xE0]); // mov cr4, eax
    code.push(0xB8); // mov eax, root
    code.extend(root.to_le_bytes());
    code.extend([0x0F, 0x22, 0xD8]); // mov cr3, eax
    code.extend([0xB9, 0x80, 0, 0, 0xC0, 0x0F, 0x32]); // mov ecx, EFER; rdmsr
    code.extend([0x0D, 0, 1, 0, 0, 0x0F, 0x30]); // or eax, LME; wrmsr
    code.extend([0xB8, 0x15, 0, 0, 0x80, 0x0F, 0x22, 0xC0]); // mov eax, PG|ET|EM|PE; mov cr0, eax
    code.extend([0x0F, 0x01, 0x15]); // lgdt [GDT_POINTER]
    code.extend(GDT_POINTER.to_le_bytes());
    code.push(0xEA); // jmp 0x10:start
    code.extend(start.to_le_bytes());
    code.extend([0x10, 0]);
    code.resize(0x100, 0xCC);
    // 64-bit mode.
    code.extend([0xB8, data, 0, 0, 0, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0]); // ds, es, ss = data
    code.extend([0x31, 0xE4]); // xor esp, esp
    code.push(0xBE); // mov esi, BOOT_PARAMS
    code.extend(BOOT_PARAMS.to_le_bytes());
    code.push(0xB8); // mov eax, entry
    code.extend(entry.to_le_bytes());
    code.extend([0xFF, 0xE0]); // jmp rax
    code
}

/// The loader's memory, by address.
pub(crate) struct Memory(Vec<u8>);

impl Memory {
    /// So many zeroes from [`BASE`] on.
    pub(crate) fn new(bytes: usize) -> Memory {
        Memory(vec![0; bytes])
    }

    /// What is there.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn put_words(&mut self, address: u32, words: &[u64]) -> Result<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(address, &bytes)
    }

    pub(crate) fn put(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        let start = usize::try_from(address - BASE)?;
        let room = self.0.get_mut(start..start + bytes.len()).context("beyond the loader")?;
        room.copy_from_slice(bytes);
        Ok(())
    }
}

/// An ELF64 image of these segments, with a PVH note that names the loader.
pub(crate) fn image(segments: &[Segment<'_>]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [4u32, 8, 18] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"Xen\0");
    note.extend(u64::from(BASE).to_le_bytes());

    let mut headers = b"\x7fELF\x02\x01\x01".to_vec();
    headers.resize(16, 0);
    headers.extend([2, 0, 62, 0, 1, 0, 0, 0]); // ET_EXEC, EM_X86_64, EV_CURRENT
    for word in [u64::from(BASE), HEADER_BYTES as u64, 0] {
        headers.extend(word.to_le_bytes()); // e_entry, e_phoff, e_shoff
    }
    headers.extend([0, 0, 0, 0, 64, 0, 56, 0]); // e_flags, e_ehsize, e_phentsize
    headers.extend(u16::try_from(segments.len() + 1).unwrap_or(u16::MAX).to_le_bytes());
    headers.resize(HEADER_BYTES, 0);

    let mut content: Vec<u8> = Vec::new();
    let content_start = HEADER_BYTES + (segments.len() + 1) * SEGMENT_HEADER_BYTES;
    let mut add = |kind: u32, flags: u32, start: u64, bytes: &[u8], memory: u64, align: u64| {
        let offset = (content_start + content.len()) as u64;
        headers.extend(kind.to_le_bytes());
        headers.extend(flags.to_le_bytes());
        for word in [offset, start, start, bytes.len() as u64, memory, align] {
            headers.extend(word.to_le_bytes());
        }
        content.extend(bytes);
    };
    add(4, 4, 0, &note, note.len() as u64, 4); // PT_NOTE; first, so that it is aligned
    for segment in segments {
        add(1, 7, segment.start, segment.bytes, segment.memory, 1);
    }
    headers.extend(content);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_has_the_kernel_the_loader_and_a_note_that_names_it() {
        let kernel = image(&[Segment { start: 0x10_0000, memory: 0x2000, bytes: b"kernel" }]);
        let wrapped = wrap(&kernel, "a=b", Paging::FourLevels).unwrap();
        let header = FileHeader64::<LittleEndian>::parse(&*wrapped).unwrap();
        let segments = header.program_headers(LittleEndian, &*wrapped).unwrap();
        let starts: Vec<u64> = segments.iter().map(|s| s.p_paddr(LittleEndian)).collect();
        assert_eq!(starts, [0, 0x10_0000, u64::from(BASE)]);
        let data = |index: usize| segments[index].data(LittleEndian, &*wrapped).unwrap();
        assert_eq!(data(0)[16..], u64::from(BASE).to_le_bytes());
        assert_eq!(data(1), b"kernel");
        assert_eq!(&data(2)[0x5000..0x5004], b"a=b\0");
    }

    #[test]
    fn refuses_a_kernel_in_its_own_place_and_long_command_lines() {
        let kernel = |start| image(&[Segment { start, memory: 1, bytes: b"k" }]);
        let wrap = |kernel: &[u8], words: &str| wrap(kernel, words, Paging::FourLevels);
        assert!(wrap(&kernel(u64::from(BASE)), "").is_err());
        assert!(wrap(&kernel(0x10_0000), &"x".repeat(MAX_COMMAND_LINE)).is_ok());
        assert!(wrap(&kernel(0x10_0000), &"x".repeat(MAX_COMMAND_LINE + 1)).is_err());
        assert!(wrap(b"no kernel", "").is_err());
    }
}
