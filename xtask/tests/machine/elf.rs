//! The image itself: what virtual machine monitors read in it before they run it.

use std::fs;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use object::LittleEndian;
use object::elf::{FileHeader64, NoteType, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader};
use xtask::bench::boot::IMAGE_AIM;
use xtask::build::{self, Image};

/// The note type of the PVH entry (Xen's `elfnote.h`, `XEN_ELFNOTE_PHYS32_ENTRY`).
const PHYS32_ENTRY: NoteType = NoteType(18);
pub fn add(trials: &mut Vec<Trial>) {
    trials.push(crate::plain("image::has_an_entry_for_every_monitor", entries));
    trials.push(crate::plain("image::has_no_segment_to_write_and_execute", write_xor_execute));
    trials.push(crate::plain("image::is_small", small));
}

fn entries() -> Result<()> {
    let bytes = fs::read(build::paths(Image::Product).stripped)?;
    let header = FileHeader64::<LittleEndian>::parse(&*bytes)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, &*bytes)?;
    let loads = |address: u64| {
        segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD).any(|segment| {
            let start = segment.p_paddr(endian);
            (start..start + segment.p_filesz(endian)).contains(&address)
        })
    };
    for segment in segments {
        let kind = segment.p_type(endian);
        ensure!(kind != PT_INTERP && kind != PT_DYNAMIC, "the image wants a loader");
    }
    // 64-bit monitors without PVH enter here.
    ensure!(loads(header.e_entry(endian)), "the entry lies outside of the image");
    let note = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == PT_NOTE)
        .filter_map(|segment| segment.notes(endian, &*bytes).ok().flatten())
        .flat_map(|mut notes| std::iter::from_fn(move || notes.next().ok().flatten()))
        .find(|note| note.name() == b"Xen" && note.n_type(endian) == PHYS32_ENTRY)
        .context("no segment holds a PVH note")?;
    let mut address = [0; 8];
    let length = note.desc().len().min(8);
    address[..length].copy_from_slice(&note.desc()[..length]);
    ensure!(loads(u64::from_le_bytes(address)), "the PVH entry lies outside of the image");
    Ok(())
}

fn write_xor_execute() -> Result<()> {
    let bytes = fs::read(build::paths(Image::Product).stripped)?;
    let header = FileHeader64::<LittleEndian>::parse(&*bytes)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, &*bytes)? {
        let flags = segment.p_flags(endian);
        let both = flags.contains(PF_W) && flags.contains(PF_X);
        ensure!(!both, "a segment at {:#x} is writable code", segment.p_vaddr(endian));
    }
    Ok(())
}

fn small() -> Result<()> {
    let size = fs::metadata(build::paths(Image::Product).stripped)?.len();
    ensure!(size <= IMAGE_AIM, "the stripped image has {size} bytes");
    Ok(())
}
