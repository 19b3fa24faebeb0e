//! A stand-in for small EFI firmware, for QEMU.
//!
//! Firmware of the kind of rust-hypervisor-firmware runs with interrupts off and has no handlers for
//! them, knows neither watchdog nor load options, and calls its own memory that of runtime services
//! where the kernel belongs. This is an image of our making that starts an EFI application so: the
//! application where its header wants it, and one segment more with five services, each of which ends the
//! machine when it is called with interrupts on.
//!
//! Specification: UEFI 2.10, sections 2.3.4, 4.3, 4.4, 7.2 and 9.1; Microsoft PE format.

use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::pe::{ImageDosHeader, ImageNtHeaders64};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader};

use crate::linux_loader::{BASE, MEMORY_END, Memory, Segment, image};

/// What the machine ends with, by QEMU's `isa-debug-exit`, when a service is called with interrupts on...
const CALLED_WITH_INTERRUPTS: u8 = 60;
/// ... and when the application comes back.
const CAME_BACK: u8 = 61;

/// Where the application is loaded to.
const APPLICATION: u32 = 0x20_0000;
/// What the firmware has free for the application, and how much.
const FREE: u32 = 40 << 20;
const FREE_BYTES: u64 = 16 << 20;

const LONG_MODE: u32 = BASE + 0x100;
const GDT: u32 = BASE + 0x200;
const GDT_POINTER: u32 = BASE + 0x240;
const UNSUPPORTED: u32 = BASE + 0x300;
const HANDLE_PROTOCOL: u32 = BASE + 0x340;
const ALLOCATE_PAGES: u32 = BASE + 0x380;
const GET_MEMORY_MAP: u32 = BASE + 0x3C0;
const EXIT_BOOT_SERVICES: u32 = BASE + 0x440;
const CHECK: u32 = BASE + 0x480;
const LEVEL4: u32 = BASE + 0x1000;
const LEVEL3: u32 = BASE + 0x2000;
const LEVEL2: u32 = BASE + 0x3000;
const SYSTEM_TABLE: u32 = BASE + 0x4000;
const SERVICES: u32 = BASE + 0x4100;
const CONFIGURATION: u32 = BASE + 0x4300;
const LOADED_IMAGE: u32 = BASE + 0x4400;
const MAP: u32 = BASE + 0x4500;
const STACK_END: u32 = BASE + 0x9000;
const BYTES: usize = 0x9000;

const PAGE_BYTES: u64 = 4096;
const LARGE_PAGES: u32 = 512;
const DESCRIPTOR_BYTES: u8 = 40;
const MAP_KEY: u8 = 7;
/// Of the boot services' table: its header, and where its functions end.
const SERVICES_FROM: u32 = 0x18;
const SERVICES_TO: u32 = 0x170;
/// 8868e871-e4f1-11d3-bc22-0080c73c8881
const ACPI_2: [u8; 16] =
    [0x71, 0xE8, 0x68, 0x88, 0xF1, 0xE4, 0xD3, 0x11, 0xBC, 0x22, 0, 0x80, 0xC7, 0x3C, 0x88, 0x81];

/// The image that starts the EFI application `file`; for 64 MiB of memory.
///
/// # Errors
/// When the file is no EFI application that such firmware can load.
pub fn wrap(file: &[u8]) -> Result<Vec<u8>> {
    let (application, entry) = load(file)?;
    let firmware = firmware(application.len() as u64, entry)?;
    let segments = [(APPLICATION, &application), (BASE, &firmware)].map(|(start, bytes)| Segment {
        start: u64::from(start),
        memory: bytes.len() as u64,
        bytes,
    });
    Ok(image(&segments))
}

/// The application as it lies in memory, and where it is entered.
fn load(file: &[u8]) -> Result<(Vec<u8>, u32)> {
    let mut offset = ImageDosHeader::parse(file)?.nt_headers_offset().into();
    let (headers, _) = ImageNtHeaders64::parse(file, &mut offset)?;
    let optional = headers.optional_header();
    ensure!(optional.image_base() == 0, "it wants a place of its own");
    let header_bytes = usize::try_from(optional.size_of_headers())?;
    let mut memory = vec![0; usize::try_from(optional.size_of_image())?];
    ensure!(memory.len() as u64 <= u64::from(BASE - APPLICATION), "it is too long");
    let mut put = |at: u32, bytes: &[u8]| {
        let at = usize::try_from(at)?;
        let room = memory.get_mut(at..at + bytes.len()).context("beyond the image")?;
        room.copy_from_slice(bytes);
        anyhow::Ok(())
    };
    put(0, file.get(..header_bytes).context("the headers are cut off")?)?;
    for section in headers.sections(file, offset)?.iter() {
        let bytes = section.pe_data(file).context("a section is cut off")?;
        put(section.virtual_address.get(LittleEndian), bytes)?;
    }
    Ok((memory, APPLICATION + optional.address_of_entry_point()))
}

/// The firmware's memory: code, tables, stack.
fn firmware(application_bytes: u64, entry: u32) -> Result<Vec<u8>> {
    let mut memory = Memory::new(BYTES);
    memory.put(BASE, &protected_mode())?;
    memory.put(LONG_MODE, &long_mode(entry))?;
    let descriptors = [0, 0, 0x00AF_9B00_0000_FFFF_u64, 0x00CF_9300_0000_FFFF];
    memory.put_words(GDT, &descriptors)?;
    memory.put(GDT_POINTER, &31u16.to_le_bytes())?;
    memory.put(GDT_POINTER + 2, &GDT.to_le_bytes())?;
    // The first GiB.
    memory.put_words(LEVEL4, &[u64::from(LEVEL3 | 3)])?;
    memory.put_words(LEVEL3, &[u64::from(LEVEL2 | 3)])?;
    let pages: Vec<u64> = (0..LARGE_PAGES).map(|page| u64::from(page << 21 | 0x83)).collect();
    memory.put_words(LEVEL2, &pages)?;
    services(&mut memory)?;
    tables(&mut memory)?;
    let map = map(application_bytes);
    memory.put(GET_MEMORY_MAP, &get_memory_map(u32::try_from(map.len())?))?;
    memory.put(MAP, &map)?;
    Ok(memory.into_bytes())
}

/// From the PVH entry to 64-bit mode, as [`crate::linux_loader`] does it, but with SSE on.
fn protected_mode() -> Vec<u8> {
    let rsdp = CONFIGURATION + 16;
    let mut code = vec![0xFA]; // cli
    code.extend([0x8B, 0x43, 0x20]); // mov eax, [ebx + 32]: where ACPI's root pointer is
    code.push(0xA3); // mov [rsdp], eax
    code.extend(rsdp.to_le_bytes());
    code.extend([0xB8, 0x20, 0x06, 0, 0, 0x0F, 0x22, 0xE0]); // cr4 = PAE, OSFXSR, OSXMMEXCPT
    code.push(0xB8); // mov eax, LEVEL4
    code.extend(LEVEL4.to_le_bytes());
    code.extend([0x0F, 0x22, 0xD8]); // mov cr3, eax
    code.extend([0xB9, 0x80, 0, 0, 0xC0, 0x0F, 0x32]); // mov ecx, EFER; rdmsr
    code.extend([0x0D, 0, 1, 0, 0, 0x0F, 0x30]); // or eax, LME; wrmsr
    code.extend([0xB8, 0x13, 0, 0, 0x80, 0x0F, 0x22, 0xC0]); // cr0 = PG, ET, MP, PE
    code.extend([0x0F, 0x01, 0x15]); // lgdt [GDT_POINTER]
    code.extend(GDT_POINTER.to_le_bytes());
    code.push(0xEA); // jmp 0x10:LONG_MODE
    code.extend(LONG_MODE.to_le_bytes());
    code.extend([0x10, 0]);
    code
}

/// Calls the application; ends the machine when it comes back.
fn long_mode(entry: u32) -> Vec<u8> {
    let mut code = vec![0xB8, 0x18, 0, 0, 0, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0]; // ds, es, ss
    for (register, value) in [(0xBC, STACK_END - 0x20), (0xB9, LOADED_IMAGE), (0xBA, SYSTEM_TABLE)]
    {
        code.push(register); // mov esp, ecx, edx
        code.extend(value.to_le_bytes());
    }
    code.push(0xB8); // mov eax, entry
    code.extend(entry.to_le_bytes());
    code.extend([0xFF, 0xD0]); // call rax
    code.extend(end(CAME_BACK));
    code
}

/// Ends the machine with this byte.
fn end(byte: u8) -> [u8; 5] {
    [0xB0, byte, 0xE6, 0xF4, 0xF4] // mov al, byte; out 0xF4, al; hlt
}

fn services(memory: &mut Memory) -> Result<()> {
    // Flags: neither interrupts nor the direction that compiled code never has.
    let mut check = vec![0x9C, 0x58, 0xF6, 0xC4, 0x06]; // pushfq; pop rax; test ah, 6
    check.extend([0x75, 0x01, 0xC3]); // jnz 1f; ret; 1:
    check.extend(end(CALLED_WITH_INTERRUPTS));
    memory.put(CHECK, &check)?;
    memory.put(UNSUPPORTED, &service(UNSUPPORTED, &fails(3)))?;
    let give = |address: u32, to: [u8; 3]| {
        let mut code = vec![0xB8]; // mov eax, address
        code.extend(address.to_le_bytes());
        code.extend(to);
        code.extend([0x31, 0xC0, 0xC3]); // xor eax, eax; ret
        code
    };
    // mov [r8], rax; mov [r9], rax
    memory
        .put(HANDLE_PROTOCOL, &service(HANDLE_PROTOCOL, &give(LOADED_IMAGE, [0x49, 0x89, 0x00])))?;
    memory.put(ALLOCATE_PAGES, &service(ALLOCATE_PAGES, &give(FREE, [0x49, 0x89, 0x01])))?;
    // cmp rdx, key; jne 1f; xor eax, eax; ret; 1:
    let mut exit = vec![0x48, 0x83, 0xFA, MAP_KEY, 0x75, 0x03, 0x31, 0xC0, 0xC3];
    exit.extend(fails(2));
    memory.put(EXIT_BOOT_SERVICES, &service(EXIT_BOOT_SERVICES, &exit))
}

/// Code at `at` that checks the flags first; `rax` is lost by that.
fn service(at: u32, code: &[u8]) -> Vec<u8> {
    let mut all = vec![0xE8]; // call CHECK
    all.extend((CHECK - at - 5).to_le_bytes());
    all.extend(code);
    all
}

/// Returns the error with this number.
fn fails(number: u64) -> Vec<u8> {
    let mut code = vec![0x48, 0xB8]; // mov rax, 1 << 63 | number
    code.extend((1 << 63 | number).to_le_bytes());
    code.push(0xC3); // ret
    code
}

fn get_memory_map(map_bytes: u32) -> Vec<u8> {
    let mut code = vec![0x56, 0x57, 0x48, 0x89, 0xD7, 0xBE]; // push rsi, rdi; mov rdi, rdx; mov esi,
    code.extend(MAP.to_le_bytes());
    code.extend([0x48, 0x89, 0xC8, 0xB9]); // mov rax, rcx; mov ecx, map_bytes
    code.extend(map_bytes.to_le_bytes());
    code.extend([0x48, 0x89, 0x08, 0xF3, 0xA4, 0x5F, 0x5E]); // mov [rax], rcx; rep movsb; pop rdi, rsi
    code.extend([0xB8, DESCRIPTOR_BYTES, 0, 0, 0, 0x49, 0x89, 0x01]); // mov [r9], DESCRIPTOR_BYTES
    code.extend([0xB8, MAP_KEY, 0, 0, 0, 0x49, 0x89, 0x00]); // mov [r8], MAP_KEY
    code.extend([0x31, 0xC0, 0xC3]); // xor eax, eax; ret
    service(GET_MEMORY_MAP, &code)
}

fn tables(memory: &mut Memory) -> Result<()> {
    memory.put_words(SYSTEM_TABLE + 96, &[u64::from(SERVICES), 1, u64::from(CONFIGURATION)])?;
    memory.put(CONFIGURATION, &ACPI_2)?;
    for slot in (SERVICES_FROM..SERVICES_TO).step_by(8) {
        let function = match slot {
            0x28 => ALLOCATE_PAGES,
            0x38 => GET_MEMORY_MAP,
            0x98 => HANDLE_PROTOCOL,
            0xE8 => EXIT_BOOT_SERVICES,
            _ => UNSUPPORTED,
        };
        memory.put_words(SERVICES + slot, &[u64::from(function)])?;
    }
    Ok(())
}

/// The memory map: the kernel's place is the firmware's own, and ACPI's tables are in none of it.
fn map(application_bytes: u64) -> Vec<u8> {
    const LOADER_CODE: u32 = 1;
    const LOADER_DATA: u32 = 2;
    const BOOT_DATA: u32 = 4;
    const RUNTIME_DATA: u32 = 6;
    const CONVENTIONAL: u32 = 7;
    let (application, base, free) = (APPLICATION.into(), u64::from(BASE), u64::from(FREE));
    let (application_end, base_end) = (application + application_bytes, base + BYTES as u64);
    let free_end = free + FREE_BYTES;
    let ranges = [
        (CONVENTIONAL, 0, 0x9_F000),
        (RUNTIME_DATA, 1 << 20, application),
        (LOADER_CODE, application, application_end),
        (CONVENTIONAL, application_end, base),
        (BOOT_DATA, base, base_end),
        (CONVENTIONAL, base_end, free),
        (LOADER_DATA, free, free_end),
        (CONVENTIONAL, free_end, MEMORY_END),
    ];
    let mut map = Vec::new();
    for (kind, start, end) in ranges {
        for word in [u64::from(kind), start, 0, (end - start) / PAGE_BYTES, 8] {
            map.extend(word.to_le_bytes());
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use object::elf::FileHeader64;
    use object::read::elf::{FileHeader, ProgramHeader};

    use super::*;
    use crate::image::portable_executable::{Section, Use, header};

    fn application() -> Vec<u8> {
        let section = |name, at, purpose| Section { name, at, bytes: 3, file_bytes: 512, purpose };
        let sections = [section(".text", 4096, Use::Code), section(".data", 8192, Use::Data)];
        let mut file = header(4097, &sections);
        for (section, bytes) in sections.iter().zip([b"abc", b"def"]) {
            file.resize(section.at as usize, 0);
            file.extend(bytes);
        }
        file.resize(8192 + 512, 0);
        file
    }

    #[test]
    fn the_application_lies_where_small_firmware_puts_it_and_is_entered_there() {
        let wrapped = wrap(&application()).unwrap();
        let elf = FileHeader64::<LittleEndian>::parse(&*wrapped).unwrap();
        let segments = elf.program_headers(LittleEndian, &*wrapped).unwrap();
        let starts: Vec<u64> = segments.iter().map(|s| s.p_paddr(LittleEndian)).collect();
        assert_eq!(starts, [0, u64::from(APPLICATION), u64::from(BASE)]);
        let data = |index: usize| segments[index].data(LittleEndian, &*wrapped).unwrap();
        assert_eq!((&data(1)[4096..4099], &data(1)[8192..8195]), (&b"abc"[..], &b"def"[..]));
        assert_eq!(data(1).len(), 3 * 4096);
        let entry = [&[0xB8][..], &(APPLICATION + 4097).to_le_bytes(), &[0xFF, 0xD0]].concat();
        assert!(data(2)[0x100..0x200].windows(entry.len()).any(|code| code == entry));
    }

    #[test]
    fn refuses_what_is_no_application_that_may_lie_anywhere() {
        assert!(wrap(b"no application").is_err());
        assert!(wrap(&application()[..8192]).is_err(), "cut off");
        let mut placed = application();
        placed[0x40 + 24 + 24 + 2] = 0x10; // image base
        assert!(wrap(&placed).is_err());
    }
}
