//! The image in a guest's memory, put there by the loader that Firecracker and Cloud Hypervisor share.

use std::fs;
use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use linux_loader::loader::bzimage::BzImage;
use linux_loader::loader::elf::{Elf, PvhBootCapability};
use linux_loader::loader::{KernelLoader, KernelLoaderResult};
use object::LittleEndian;
use object::elf::{FileHeader64, PF_X, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryMmap};
use xtask::build::{self, Image};

/// Below it both monitors accept no kernel.
const HIGH_MEMORY: GuestAddress = GuestAddress(1 << 20);
const MEMORY_BYTES: usize = 64 << 20;
/// The 16-bit part of the bzImage, which stays out of memory.
const SETUP_BYTES: usize = 4096;
const LONG_MODE_ENTRY: usize = 0x200;
const PROTOCOL: u16 = 0x20F;
/// XLF_KERNEL_64 of `xloadflags`.
const KERNEL_64: u16 = 1;

pub fn add(trials: &mut Vec<Trial>) {
    trials.push(crate::plain("image::is_loaded_as_elf_by_rust_vmm", elf));
    trials.push(crate::plain("image::is_loaded_as_bzimage_by_rust_vmm", bzimage));
}

/// A guest's memory with the file in it, and what the loader says of it.
fn load<L: KernelLoader>(file: &[u8]) -> Result<(GuestMemoryMmap, KernelLoaderResult)> {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES)])?;
    let loaded = L::load(&memory, None, &mut Cursor::new(file), Some(HIGH_MEMORY))?;
    Ok((memory, loaded))
}

fn bytes(memory: &GuestMemoryMmap, address: u64, length: usize) -> Result<Vec<u8>> {
    let mut found = vec![0; length];
    memory.read_slice(&mut found, GuestAddress(address))?;
    Ok(found)
}

fn elf() -> Result<()> {
    let file = fs::read(build::paths(Image::Product).stripped)?;
    let (memory, loaded) = load::<Elf>(&file)?;
    let PvhBootCapability::PvhEntryPresent(pvh) = loaded.pvh_boot_cap else {
        anyhow::bail!("{}", loaded.pvh_boot_cap);
    };
    let header = FileHeader64::<LittleEndian>::parse(&*file)?;
    ensure!(loaded.kernel_load.raw_value() == header.e_entry(LittleEndian));
    let segments = header.program_headers(LittleEndian, &*file)?;
    let mut code = 0..0;
    let mut end = 0;
    for segment in segments.iter().filter(|segment| segment.p_type(LittleEndian) == PT_LOAD) {
        let start = segment.p_paddr(LittleEndian);
        ensure!(start >= HIGH_MEMORY.raw_value(), "a segment at {start:#x}");
        let content = segment.data(LittleEndian, &*file).ok().context("a segment is cut off")?;
        let found = bytes(&memory, start, content.len())?;
        ensure!(found == content, "another segment lies over the one at {start:#x}");
        end = end.max(start + segment.p_memsz(LittleEndian));
        if segment.p_flags(LittleEndian).contains(PF_X) {
            code = start..start + content.len() as u64;
        }
    }
    // Segments without content are not counted: they are zeroed by the kernel's own entries.
    ensure!(loaded.kernel_end <= end, "{:#x} is beyond {end:#x}", loaded.kernel_end);
    for entry in [loaded.kernel_load, pvh] {
        ensure!(code.contains(&entry.raw_value()), "the entry {entry:?} is in no code");
    }
    Ok(())
}

fn bzimage() -> Result<()> {
    let file = fs::read(build::paths(Image::Product).bzimage)?;
    let (memory, loaded) = load::<BzImage>(&file)?;
    let protected = file.get(SETUP_BYTES..).context("no protected-mode part")?;
    let start = loaded.kernel_load;
    ensure!(start == HIGH_MEMORY, "loaded to {start:?}");
    ensure!(loaded.kernel_end == start.raw_value() + protected.len() as u64);
    ensure!(bytes(&memory, start.raw_value(), protected.len())? == protected);
    let header = loaded.setup_header.context("no header")?;
    let (version, flags, init_size) = (header.version, header.xloadflags, header.init_size);
    ensure!(version == PROTOCOL && flags & KERNEL_64 != 0, "{version:#x} {flags:#x}");
    ensure!(u64::from(init_size) >= protected.len() as u64, "{init_size:#x} bytes to be left free");
    ensure!(protected.get(LONG_MODE_ENTRY).is_some_and(|&first| first == 0xFA), "no cli there");
    Ok(())
}
