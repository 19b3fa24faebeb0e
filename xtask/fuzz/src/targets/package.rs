//! Packages: each encoding as bytes, and what is read of it packed again.

use kernel::aleph::package::{Encoding, FileTree, Limits, PackageError, tar_gzip, unpack};

/// Little enough that the bounds are met.
const LIMITS: Limits = Limits { packed_bytes: 1 << 16, unpacked_bytes: 1 << 18, files: 64 };

pub fn zip(bytes: &[u8]) {
    check(unpack(bytes, Encoding::Zip, &LIMITS));
}

pub fn gzip(bytes: &[u8]) {
    check(unpack(bytes, Encoding::TarGzip, &LIMITS));
}

/// The bytes as a tar file, in gzip without compression.
pub fn tar(bytes: &[u8]) {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let length = u16::try_from(bytes.len().min(60_000)).unwrap_or(0);
    let bytes = &bytes[..usize::from(length)];
    // One last block, stored.
    gzip.push(1);
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(bytes);
    gzip.extend(crc32(bytes).to_le_bytes());
    gzip.extend(u32::from(length).to_le_bytes());
    check(unpack(&gzip, Encoding::TarGzip, &LIMITS));
}

pub fn squashfs(bytes: &[u8]) {
    check(unpack(bytes, Encoding::Squashfs, &LIMITS));
}

fn check(unpacked: Result<FileTree, PackageError>) {
    match unpacked {
        Ok(tree) => {
            assert!(tree.len() <= LIMITS.files && tree.size() <= LIMITS.unpacked_bytes);
            let packed = tar_gzip(&tree).expect("there is memory");
            let again = unpack(&packed, Encoding::TarGzip, &Limits::default());
            let again = again.expect("what was packed here can be unpacked");
            assert!(again.iter().eq(tree.iter()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 }
        })
    })
}
