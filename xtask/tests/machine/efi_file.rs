//! The bzImage as EFI reads it: what all firmware demands, and what small firmware demands beside that.

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
    trials.push(crate::plain("image::meets_what_rust_hypervisor_firmware_demands", small_firmware));
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

/// It reads the first 1024 bytes only, copies sections by whole sectors, and wants blocks of
/// relocations that end where their section does.
fn small_firmware() -> Result<()> {
    let file = file()?;
    let dos = ImageDosHeader::parse(&*file)?;
    ensure!(dos.nt_headers_offset() < SECTOR, "the PE header is not in the first sector");
    let mut offset = dos.nt_headers_offset().into();
    let (headers, _) = ImageNtHeaders64::parse(&*file, &mut offset)?;
    let sections = headers.sections(&*file, offset)?;
    let table_end = offset + 40 * sections.len() as u64;
    ensure!(table_end <= 1024, "the section table ends at {table_end}");
    for section in sections.iter() {
        let at = section.pointer_to_raw_data.get(LittleEndian);
        ensure!(at.is_multiple_of(SECTOR), "a section at {at} in the file");
    }
    let relocations = sections.iter().find(|section| section.raw_name() == b".reloc");
    let relocations = relocations.context("no relocations")?;
    let start = relocations.pointer_to_raw_data.get(LittleEndian) as usize;
    let bytes = relocations.virtual_size.get(LittleEndian) as usize;
    let table = &file[start..start + bytes];
    let length = table.get(4..8).and_then(<[u8]>::first_chunk).context("no block")?;
    ensure!(u32::from_le_bytes(*length) as usize == bytes, "the block's length");
    ensure!(table[8..].iter().all(|&byte| byte == 0), "there is something to relocate");
    Ok(())
}

fn same_kernel() -> Result<()> {
    let (file, elf) = (file()?, fs::read(build::paths(Image::Product).stripped)?);
    let found = file.windows(elf.len()).step_by(512).any(|window| window == elf);
    ensure!(found, "the ELF file is not in the bzImage, byte for byte");
    Ok(())
}
