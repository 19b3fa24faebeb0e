//! What small firmware demands of a disk beyond what EFI's specification does.
//!
//! The rules are those of rust-hypervisor-firmware, which is a few files long: a table of partitions that is
//! read by whole sectors, a file system whose kind follows from its sectors, names that are compared as far
//! as the wanted one goes.

use super::*;

/// Partitions that it has room for, beside the disk as a whole.
const MOST_PARTITIONS: usize = 15;
/// Clusters from which on a file system is one of FAT16, and of FAT32.
const FAT16_FROM: usize = 4085;
const FAT32_FROM: usize = 65_525;
const ENTRY_BYTES: usize = 32;

/// The system partition, as such firmware takes it.
struct System<'a> {
    bytes: &'a [u8],
    reserved: usize,
    tables: usize,
    table_sectors: usize,
    root_entries: usize,
    sectors: usize,
    cluster_sectors: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()))
}

impl<'a> System<'a> {
    fn of(image: &'a [u8]) -> System<'a> {
        let (_, first, last, _) = &table(image, 1)[0];
        let at = |sector: u64| usize::try_from(sector).unwrap() * SECTOR;
        let bytes = &image[at(*first)..at(last + 1)];
        assert_eq!(u16_at(bytes, 11), SECTOR, "bytes of a sector");
        let sectors = match u16_at(bytes, 19) {
            0 => u32_at(bytes, 32) as usize,
            few => few,
        };
        System {
            bytes,
            reserved: u16_at(bytes, 14),
            tables: bytes[16].into(),
            table_sectors: u16_at(bytes, 22),
            root_entries: u16_at(bytes, 17),
            sectors,
            cluster_sectors: bytes[13].into(),
        }
    }

    fn root(&self) -> usize {
        self.reserved + self.tables * self.table_sectors
    }

    fn sector(&self, cluster: usize) -> usize {
        let data = self.root() + (self.root_entries * ENTRY_BYTES).div_ceil(SECTOR);
        data + (cluster - 2) * self.cluster_sectors
    }

    /// The entries of the folder from `sector` on that have a name of 8 and 3 characters.
    fn folder(&self, sector: usize) -> Vec<&'a [u8]> {
        let entries = self.bytes[sector * SECTOR..].chunks(ENTRY_BYTES);
        let used = entries.take_while(|entry| entry[0] != 0);
        used.filter(|entry| entry[0] != 0xE5 && entry[11] != 0x0F).collect()
    }

    /// The bytes of a file, by its chain of clusters.
    fn file(&self, entry: &[u8]) -> Vec<u8> {
        let mut cluster = u16_at(entry, 26);
        let mut found = Vec::new();
        while cluster < 0xFFF8 {
            let at = self.sector(cluster) * SECTOR;
            found.extend(&self.bytes[at..at + self.cluster_sectors * SECTOR]);
            cluster = u16_at(self.bytes, self.reserved * SECTOR + 2 * cluster);
        }
        found.truncate(u32_at(entry, 28) as usize);
        found
    }
}

/// Whether `entry` is taken for `name`: it is compared only as far as `name` goes.
fn is_taken_for(entry: &[u8], name: &str) -> bool {
    let mut at = 0;
    name.bytes().all(|byte| {
        if byte == b'.' {
            at = 8;
            return true;
        }
        at += 1;
        entry[..11].get(at - 1).is_some_and(|found| found.eq_ignore_ascii_case(&byte))
    })
}

#[test]
fn the_table_is_read_by_whole_sectors_from_its_header_to_the_first_usable_one() {
    let image = image(&contents());
    let header = &image[SECTOR..2 * SECTOR];
    let (usable, first) = (u64_at(header, 40), u64_at(header, 72));
    assert!(usable >= 34, "{usable}");
    assert_eq!(u32_at(header, 84), 128, "the size of an entry is not read");
    assert!(first + u64::from(u32_at(header, 80)) / 4 <= usable);
}

#[test]
fn there_are_few_partitions_each_with_an_identity_and_nothing_beside_them() {
    let image = image(&contents());
    let entries: Vec<&[u8]> = image[2 * SECTOR..34 * SECTOR].chunks(128).collect();
    // It goes by a partition's own identity, not by its type.
    let mut identities: Vec<&[u8]> =
        entries.iter().map(|entry| &entry[16..32]).filter(|own| own != &[0; 16]).collect();
    assert_eq!(identities.len(), table(&image, 1).len());
    assert!(identities.len() <= MOST_PARTITIONS);
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), table(&image, 1).len());
}

#[test]
fn the_file_system_is_what_its_number_of_sectors_says() {
    for kernel_bytes in [1, 1 << 20, 7 << 20, 28 << 20] {
        let kernel = vec![1; kernel_bytes];
        let image = image(&Contents { kernel: &kernel, ..contents() });
        let system = System::of(&image);
        assert!(system.sectors * SECTOR <= system.bytes.len(), "beyond its partition");
        // Of all its sectors, where EFI counts those behind the tables only.
        let clusters = system.sectors / system.cluster_sectors;
        assert!((FAT16_FROM..FAT32_FROM).contains(&clusters), "{clusters} clusters");
        let data = (system.sectors - system.sector(2)) / system.cluster_sectors;
        assert!((FAT16_FROM..FAT32_FROM).contains(&data), "{data} clusters of data");
    }
}

#[test]
fn the_first_entries_that_are_taken_for_the_kernels_path_lead_to_it() {
    // No two of its sectors are alike near each other.
    let kernel: Vec<u8> = (0..1_500_000u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let image = image(&Contents { kernel: &kernel, ..contents() });
    let system = System::of(&image);
    let mut sector = system.root();
    for (name, stored) in [("EFI", b"EFI        "), ("BOOT", b"BOOT       ")] {
        let folder = system.folder(sector);
        let entry = folder.iter().find(|entry| is_taken_for(entry, name)).unwrap();
        assert_eq!((&entry[..11], entry[11] & 0x10), (&stored[..], 0x10));
        sector = system.sector(u16_at(entry, 26));
    }
    let folder = system.folder(sector);
    let entry = folder.iter().find(|entry| is_taken_for(entry, "BOOTX64.EFI")).unwrap();
    assert_eq!(&entry[..11], b"BOOTX64 EFI");
    assert!(system.file(entry) == kernel);
}

/// With `/loader/loader.conf` there it would load what that says, and nothing by EFI.
#[test]
fn no_boot_loader_entries_stand_before_efi() {
    let image = image(&contents());
    let system = System::of(&image);
    assert!(!system.folder(system.root()).iter().any(|entry| is_taken_for(entry, "loader")));
}
