//! The bzImage as EFI reads it: what all firmware demands, and what rust-hypervisor-firmware demands
//! beside that.

use std::fs;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use object::LittleEndian;
use object::pe::{
    IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_RELOCS_STRIPPED, IMAGE_SCN_MEM_EXECUTE,
    IMAGE_SCN_MEM_WRITE, IMAGE_SUBSYSTEM_EFI_APPLICATION, ImageDosHeader, ImageNtHeaders64,
};
use object::read::pe::ImageNtHeaders;
use xtask::build::{self, Image};

const SECTOR: u32 = 512;
const PAGE: u32 = 4096;

pub fn add(trials: &mut Vec<Trial>) {
    trials.push(crate::plain("image::is_an_efi_application_that_may_lie_anywhere", application));
    trials.push(crate::plain("image::has_its_efi_headers_in_the_first_two_sectors", first_sectors));
    trials.push(crate::plain("image::has_its_sections_at_whole_sectors", whole_sectors));
    trials.push(crate::plain("image::has_one_block_of_relocations_that_is_empty", relocations));
    trials.push(crate::plain("image::carries_the_same_kernel_in_every_form", same_kernel));
}

fn file() -> Result<Vec<u8>> {
    Ok(fs::read(build::paths(Image::Product).bzimage)?)
}

fn application() -> Result<()> {
    let file = file()?;
    let dos = ImageDosHeader::parse(&*file)?;
    let mut offset = dos.nt_headers_offset().into();
    let (headers, _) = ImageNtHeaders64::parse(&*file, &mut offset)?;
    let (coff, optional) = (headers.file_header(), headers.optional_header());
    ensure!(coff.machine.get(LittleEndian) == IMAGE_FILE_MACHINE_AMD64);
    ensure!(optional.subsystem.get(LittleEndian) == IMAGE_SUBSYSTEM_EFI_APPLICATION);
    // Loadable anywhere: base 0, and relocations not taken away.
    ensure!(optional.image_base.get(LittleEndian) == 0);
    ensure!(coff.characteristics.get(LittleEndian).0 & IMAGE_FILE_RELOCS_STRIPPED.0 == 0);
    let entry = optional.address_of_entry_point.get(LittleEndian);
    let sections = headers.sections(&*file, offset)?;
    let mut end = optional.size_of_headers.get(LittleEndian);
    let mut enters = false;
    for section in sections.iter() {
        let start = section.virtual_address.get(LittleEndian);
        let bytes = section.virtual_size.get(LittleEndian);
        let rights = section.characteristics.get(LittleEndian);
        ensure!(start.is_multiple_of(PAGE) && start >= end, "a section at {start:#x}");
        let both = IMAGE_SCN_MEM_WRITE.0 | IMAGE_SCN_MEM_EXECUTE.0;
        ensure!(rights.0 & both != both, "writable code at {start:#x}");
        let executable = rights.0 & IMAGE_SCN_MEM_EXECUTE.0 != 0;
        enters |= executable && (start..start + bytes).contains(&entry);
        // The code finds everything by its distance in the file.
        ensure!(section.pointer_to_raw_data.get(LittleEndian) == start);
        ensure!(section.size_of_raw_data.get(LittleEndian) as usize + start as usize <= file.len());
        end = start + bytes;
    }
    ensure!(enters, "the entry {entry:#x} is in no code");
    ensure!(optional.size_of_image.get(LittleEndian) == end.next_multiple_of(PAGE));
    Ok(())
}

/// It reads so many before it knows how long the headers are, and copies headers by whole sectors.
fn first_sectors() -> Result<()> {
    let file = file()?;
    let dos = ImageDosHeader::parse(&*file)?;
    ensure!(dos.nt_headers_offset() < SECTOR, "the PE header is not in the first sector");
    let mut offset = dos.nt_headers_offset().into();
    let (headers, _) = ImageNtHeaders64::parse(&*file, &mut offset)?;
    let sections = headers.sections(&*file, offset)?;
    let table_end = offset + 40 * sections.len() as u64;
    ensure!(table_end <= 2 * u64::from(SECTOR), "the section table ends at {table_end}");
    let header_bytes = headers.optional_header().size_of_headers.get(LittleEndian);
    ensure!(u64::from(header_bytes) >= table_end && header_bytes.is_multiple_of(SECTOR));
    let first = sections.iter().map(|section| section.virtual_address.get(LittleEndian)).min();
    ensure!(first.is_some_and(|first| first >= header_bytes), "a section within the headers");
    Ok(())
}

/// It leaves out sections that lie elsewhere in the file, and seeks to each of them, empty or not; it
/// clears each one's memory, which has to be within the image.
fn whole_sectors() -> Result<()> {
    let file = file()?;
    let mut offset = ImageDosHeader::parse(&*file)?.nt_headers_offset().into();
    let (headers, _) = ImageNtHeaders64::parse(&*file, &mut offset)?;
    let image_bytes = headers.optional_header().size_of_image.get(LittleEndian);
    for section in headers.sections(&*file, offset)?.iter() {
        let at = section.pointer_to_raw_data.get(LittleEndian);
        ensure!(at.is_multiple_of(SECTOR), "a section at {at} in the file");
        ensure!((at as usize) < file.len(), "a section at the file's end");
        let start = section.virtual_address.get(LittleEndian);
        ensure!(start + section.virtual_size.get(LittleEndian) <= image_bytes, "at {start:#x}");
    }
    Ok(())
}

/// It goes through blocks until the directory's length is used up, to the byte.
fn relocations() -> Result<()> {
    const RELOCATIONS: usize = 5;
    let file = file()?;
    let mut offset = ImageDosHeader::parse(&*file)?.nt_headers_offset().into();
    let (headers, directories) = ImageNtHeaders64::parse(&*file, &mut offset)?;
    let directory = directories.get(RELOCATIONS).context("no relocations")?;
    let start = directory.virtual_address.get(LittleEndian);
    let sections = headers.sections(&*file, offset)?;
    let section = sections.iter().find(|one| one.virtual_address.get(LittleEndian) == start);
    let section = section.context("the relocations are no section of their own")?;
    let at = section.pointer_to_raw_data.get(LittleEndian) as usize;
    let table = &file[at..at + directory.size.get(LittleEndian) as usize];
    let length = table.get(4..8).and_then(<[u8]>::first_chunk).context("no block")?;
    ensure!(u32::from_le_bytes(*length) as usize == table.len(), "the block's length");
    ensure!(table[8..].iter().all(|&byte| byte == 0), "there is something to relocate");
    Ok(())
}

fn same_kernel() -> Result<()> {
    let (file, elf) = (file()?, fs::read(build::paths(Image::Product).stripped)?);
    let found = file.windows(elf.len()).step_by(512).any(|window| window == elf);
    ensure!(found, "the ELF file is not in the bzImage, byte for byte");
    Ok(())
}
