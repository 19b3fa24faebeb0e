//! The layout of the image, read back by other code than that which writes it.

use std::io::Cursor;
use std::sync::LazyLock;

use fatfs::{FileSystem, FsOptions};
use kernel::aleph::package::crc32;

use super::*;

mod small_firmware;

const KERNEL: &[u8] = &[0x4D; 1_500_000];

fn contents() -> Contents<'static> {
    static BOOT: LazyLock<BootCode> = LazyLock::new(|| BootCode {
        master: vec![0x90; 440],
        setup: Vec::new(),
        stub: Vec::new(),
        writable_from: 0,
    });
    let (configuration, programs) = (Some(&b"configuration"[..]), Some(&[9; 1 << 20][..]));
    Contents { boot: &BOOT, kernel: KERNEL, configuration, programs, volume_mib: 3 }
}

fn image(contents: &Contents<'_>) -> Vec<u8> {
    let mut device = Cursor::new(Vec::new());
    let size = write(&mut device, contents).unwrap();
    let bytes = device.into_inner();
    assert_eq!(bytes.len() as u64, size);
    bytes
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Type, first sector, last sector and name of the entries of the table whose header is at `sector`,
/// with all checks that UEFI 2.10, section 5.3.2, demands of a reader.
fn table(image: &[u8], sector: usize) -> Vec<([u8; 16], u64, u64, String)> {
    let mut header = image[sector * SECTOR..][..92].to_vec();
    assert_eq!(&header[..8], b"EFI PART");
    let sum = u32_at(&header, 16);
    header[16..20].fill(0);
    assert_eq!(crc32(&header), sum, "the header's checksum");
    assert_eq!(u64_at(&header, 24), sector as u64, "where it says that it is");
    let (at, count) = (u64_at(&header, 72), u32_at(&header, 80));
    assert_eq!((count, u32_at(&header, 84)), (128, 128), "entries and their size");
    let entries = &image[usize::try_from(at).unwrap() * SECTOR..][..128 * 128];
    assert_eq!(crc32(entries), u32_at(&header, 88), "the table's checksum");
    let (usable_from, usable_to) = (u64_at(&header, 40), u64_at(&header, 48));
    let used = entries.chunks(128).filter(|entry| entry[..16] != [0; 16]);
    used.map(|entry| {
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        assert!(usable_from <= first && first <= last && last <= usable_to, "{first} {last}");
        let name: Vec<u16> =
            entry[56..].chunks(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
        let name = String::from_utf16(&name).unwrap().trim_end_matches('\0').to_owned();
        (entry[..16].try_into().unwrap(), first, last, name)
    })
    .collect()
}

#[test]
fn both_tables_are_sound_and_list_the_same_partitions() {
    let image = image(&contents());
    let last = image.len() / SECTOR - 1;
    let parts = table(&image, 1);
    assert_eq!(parts, table(&image, last));
    assert_eq!(u64_at(&image, SECTOR + 32), last as u64, "where the other one is");
    let names: Vec<&str> = parts.iter().map(|part| part.3.as_str()).collect();
    assert_eq!(names, ["system", "configuration", "programs", "volume"]);
    for pair in parts.windows(2) {
        assert!(pair[0].2 < pair[1].1, "{} and {} overlap", pair[0].3, pair[1].3);
    }
    for (_, first, last, name) in &parts {
        assert_eq!((first % 2048, (last + 1) % 2048), (0, 0), "{name}");
    }
}

#[test]
fn the_first_sector_is_a_protective_record_with_boot_code() {
    let image = image(&contents());
    assert_eq!(image[510..512], [0x55, 0xAA]);
    // One entry of type 0xEE from sector 1 over the whole disk, the others empty.
    assert_eq!((image[446], image[450]), (0, 0xEE));
    assert_eq!(u32_at(&image, 454), 1);
    assert_eq!(u32_at(&image, 458) as usize, image.len() / SECTOR - 1);
    assert_eq!(image[462..510], [0; 48]);
    // The boot sector's code reads as many sectors as the kernel has, from where it lies.
    let first = usize::try_from(u64_at(&image, 432)).unwrap() * SECTOR;
    assert_eq!(u32_at(&image, 420) as usize, KERNEL.len().div_ceil(SECTOR));
    assert_eq!(image[first..first + KERNEL.len()], *KERNEL);
}

#[test]
fn firmware_finds_the_kernel_where_it_looks() {
    let image = image(&contents());
    // As it is on the disk: C12A7328-F81F-11D2-BA4B-00A0C93EC93B.
    let kind = [
        0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9,
        0x3B,
    ];
    let (_, first, last, _) =
        table(&image, 1).into_iter().find(|part| part.0 == kind).expect("no system partition");
    let at = |sector: u64| usize::try_from(sector).unwrap() * SECTOR;
    let system = image[at(first)..at(last + 1)].to_vec();
    let system = FileSystem::new(Cursor::new(system), FsOptions::new()).unwrap();
    let mut found = Vec::new();
    let mut file = system.root_dir().open_file("EFI/BOOT/BOOTX64.EFI").unwrap();
    file.read_to_end(&mut found).unwrap();
    assert_eq!(found, KERNEL);
}

#[test]
fn what_the_node_is_given_stands_at_the_beginning_of_its_partition() {
    let image = image(&contents());
    let parts = table(&image, 1);
    let bytes = |name: &str| {
        let (_, first, last, _) = parts.iter().find(|part| part.3 == name).unwrap();
        let at = |sector: u64| usize::try_from(sector).unwrap() * SECTOR;
        &image[at(*first)..at(last + 1)]
    };
    let configuration = bytes("configuration");
    assert_eq!(configuration.len(), 1 << 20);
    assert!(configuration.starts_with(b"configuration\0"));
    assert!(configuration[13..].iter().all(|byte| *byte == 0));
    assert_eq!(bytes("programs"), [9; 1 << 20]);
    assert_eq!(bytes("volume"), [0; 3 << 20]);
}

#[test]
fn nothing_given_means_no_partition_for_it() {
    let nothing = Contents { configuration: None, programs: None, volume_mib: 0, ..contents() };
    let names: Vec<String> = table(&image(&nothing), 1).into_iter().map(|part| part.3).collect();
    assert_eq!(names, ["system"]);
}

#[test]
fn the_same_contents_are_the_same_bytes_and_others_another_identity() {
    let one = image(&contents());
    assert_eq!(one, image(&contents()));
    let other = image(&Contents { configuration: Some(b"other"), ..contents() });
    let identity = |image: &[u8]| image[SECTOR + 56..SECTOR + 72].to_vec();
    assert_ne!(identity(&one), identity(&other));
}
