//! A zip file (PKWARE's APPNOTE 6.3) of deflated entries: no times, the same bytes for the same files.

use anyhow::{Result, ensure};
use kernel::aleph::package::{FileTree, crc32};
use miniz_oxide::deflate::compress_to_vec;

/// Between time and size, as everybody does.
const LEVEL: u8 = 6;
/// Version 2.0 of the format, the first with deflate; by a Unix, so that attributes are a mode.
const VERSION: u16 = 20;
const UNIX: u16 = 3 << 8;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
const DEFLATED: u16 = 8;
/// The first day that the format knows: 1 January 1980.
const DATE: u16 = (1 << 5) | 1;
/// A regular file that its owner may write and all may read.
const MODE: u32 = 0o100_644 << 16;

/// The archive.
///
/// # Errors
/// When it would have more than 65534 files, or 4 GiB.
pub fn archive(files: &FileTree) -> Result<Vec<u8>> {
    let count = u16::try_from(files.len())?;
    ensure!(count < u16::MAX, "{count} files are too many for a zip file");
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files.iter() {
        let offset = u32::try_from(out.len())?;
        let packed = compress_to_vec(bytes, LEVEL);
        let mut head = Vec::new();
        halves(&mut head, &[VERSION, UTF8, DEFLATED, 0, DATE]);
        words(
            &mut head,
            &[crc32(bytes), u32::try_from(packed.len())?, u32::try_from(bytes.len())?],
        );
        // No extra field.
        halves(&mut head, &[u16::try_from(name.as_str().len())?, 0]);

        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&head);
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(&packed);

        directory.extend_from_slice(b"PK\x01\x02");
        halves(&mut directory, &[VERSION | UNIX]);
        directory.extend_from_slice(&head);
        // No comment, the first disk, no internal attributes.
        halves(&mut directory, &[0, 0, 0]);
        words(&mut directory, &[MODE, offset]);
        directory.extend_from_slice(name.as_str().as_bytes());
    }
    let (offset, length) = (u32::try_from(out.len())?, u32::try_from(directory.len())?);
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06");
    halves(&mut out, &[0, 0, count, count]);
    words(&mut out, &[length, offset]);
    halves(&mut out, &[0]);
    Ok(out)
}

fn halves(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn words(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use kernel::aleph::package::{Encoding, Limits, Name, unpack};

    use super::*;

    fn tree() -> FileTree {
        let mut tree = FileTree::new(Limits::default());
        let files: [(&str, &[u8]); 3] = [("b", b""), ("a/ä", &[7; 100_000]), ("c", b"123456789")];
        for (name, bytes) in files {
            tree.put(Name::new(name.as_bytes()).unwrap(), bytes.to_vec()).unwrap();
        }
        tree
    }

    #[test]
    fn the_node_reads_what_was_packed() {
        let packed = archive(&tree()).unwrap();
        assert!(packed.len() < 1000, "{} bytes", packed.len());
        let read = unpack(&packed, Encoding::Zip, &Limits::default()).unwrap();
        assert_eq!(read.len(), 3);
        for (name, bytes) in tree().iter() {
            assert_eq!(read.get(name.as_str()).unwrap(), bytes);
        }
    }

    #[test]
    fn nothing_is_an_archive_too() {
        let none = FileTree::new(Limits::default());
        assert_eq!(archive(&none).unwrap().len(), 22);
    }

    /// Other readers are stricter about heads than ours.
    #[test]
    fn pythons_reader_finds_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.zip");
        std::fs::write(&file, archive(&tree()).unwrap()).unwrap();
        let program = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\n\
                       assert z.testzip() is None and sorted(z.namelist()) == ['a/ä', 'b', 'c']";
        match Command::new("python3").args(["-c", program]).arg(&file).status() {
            Ok(status) => assert!(status.success(), "{status}"),
            Err(error) => eprintln!("SKIPPED: python3: {error}"),
        }
    }
}
