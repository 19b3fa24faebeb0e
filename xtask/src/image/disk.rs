//! The raw disk image: protective MBR with BIOS boot code, GPT with its backup, and the partitions.
//!
//! | where | what |
//! |---|---|
//! | sector 0 | protective MBR (UEFI 2.10, section 5.2.3), with the boot sector's code |
//! | sectors 1 to 33 | GPT |
//! | from 1 MiB | `system`: the EFI system partition, which both firmwares load the kernel from |
//! | then, where given | `configuration`, `programs`, `volume` |
//! | the end | backup GPT |
//!
//! Every partition from 1 MiB on is of whole MiB. Identities follow from the content.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{self, Type};
use gpt::{GptConfig, disk::LogicalBlockSize};
use kernel::store::gpt::{CONFIGURATION, Guid, PROGRAMS, VOLUME};
use uuid::Uuid;

use super::esp::{self, SECTOR};
use super::{BootCode, bios, identity};

const MIB: u64 = 1 << 20;
const SECTORS_PER_MIB: u64 = MIB / SECTOR as u64;
/// The backup table and its header.
const BACKUP_SECTORS: u64 = 33;

/// What a disk is made of.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Where the boot sector's code comes from.
    pub boot: &'a BootCode,
    /// `EFI/BOOT/BOOTX64.EFI`: the kernel as firmware and BIOS boot code load it.
    pub kernel: &'a [u8],
    /// The node's configuration.
    pub configuration: Option<&'a [u8]>,
    /// The node's programs.
    pub programs: Option<&'a [u8]>,
    /// Size of an empty volume in MiB; 0: none.
    pub volume_mib: u32,
}

/// A device that an image is written to.
pub trait Device: Read + Write + Seek + Debug {}

impl<T: Read + Write + Seek + Debug> Device for T {}

/// One partition with what is written to its beginning.
struct Part<'a> {
    name: &'static str,
    kind: Type,
    first: u64,
    sectors: u64,
    bytes: &'a [u8],
}

/// Writes the image to an empty `device`, which grows as far as needed. Gives its size in bytes.
///
/// # Errors
/// When the device refuses, or something is larger than its place.
pub fn write<D: Device>(device: &mut D, contents: &Contents<'_>) -> Result<u64> {
    let system = esp::make(contents.kernel)?;
    let kernel_sector = SECTORS_PER_MIB + system.file_sector;
    let kernel_bytes = u64::try_from(contents.kernel.len())?;
    let boot_code = bios::master_code(contents.boot, kernel_sector, kernel_bytes)?;
    let parts = lay_out(contents, &system.bytes);
    let end = parts.iter().map(|part| part.first + part.sectors).max().unwrap_or(0);
    let sectors = (end + BACKUP_SECTORS).next_multiple_of(SECTORS_PER_MIB);
    let size = sectors * SECTOR as u64;

    // The last byte gives the device its size; what is not written stays a hole.
    device.seek(SeekFrom::Start(size - 1))?;
    device.write_all(&[0])?;
    for part in &parts {
        device.seek(SeekFrom::Start(part.first * SECTOR as u64))?;
        device.write_all(part.bytes)?;
    }
    let volume = contents.volume_mib.to_le_bytes();
    let identity = identity::of(
        "disk",
        &[
            contents.kernel,
            contents.configuration.unwrap_or_default(),
            contents.programs.unwrap_or_default(),
            &volume,
        ],
    );
    let mut record = ProtectiveMBR::with_lb_size(u32::try_from(sectors - 1).unwrap_or(u32::MAX));
    record.set_bootcode(boot_code);
    record.overwrite_lba0(device)?;
    write_table(device, identity, &parts)?;
    device.flush()?;
    Ok(size)
}

fn lay_out<'a>(contents: &Contents<'a>, system: &'a [u8]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    let mut first = SECTORS_PER_MIB;
    let mut add = |name, kind, bytes: &'a [u8], mib: u64| {
        let sectors = mib.max((bytes.len() as u64).div_ceil(MIB)) * SECTORS_PER_MIB;
        parts.push(Part { name, kind, first, sectors, bytes });
        first += sectors;
    };
    add("system", partition_types::EFI, system, 1);
    if let Some(bytes) = contents.configuration {
        add("configuration", kind_of(CONFIGURATION), bytes, 1);
    }
    if let Some(bytes) = contents.programs {
        add("programs", kind_of(PROGRAMS), bytes, 1);
    }
    if contents.volume_mib > 0 {
        add("volume", kind_of(VOLUME), &[], contents.volume_mib.into());
    }
    parts
}

/// The type of a partition, from the identity as it is on the disk.
fn kind_of(on_disk: Guid) -> Type {
    Type::from(Uuid::from_bytes_le(on_disk))
}

fn write_table<D: Device>(device: &mut D, identity: Uuid, parts: &[Part<'_>]) -> Result<()> {
    let mut table = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(device, Some(identity))?;
    let mut entries = BTreeMap::new();
    for (number, part) in (1u32..).zip(parts) {
        entries.insert(
            number,
            Partition {
                part_type_guid: part.kind.clone(),
                part_guid: identity::of(part.name, &[identity.as_bytes()]),
                first_lba: part.first,
                last_lba: part.first + part.sectors - 1,
                flags: 0,
                name: part.name.to_owned(),
            },
        );
    }
    table.update_partitions(entries)?;
    table.write().map(drop).context("cannot write the table of partitions")
}

#[cfg(test)]
mod tests;
