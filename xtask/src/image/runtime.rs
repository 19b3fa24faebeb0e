//! Squashfs images: the runtime that an Aleph node demands beside a kernel, and the code of programs.
//!
//! No owners, no times: the same files give the same bytes.

use std::io::Cursor;

use anyhow::Result;
use backhand::compression::Compressor;
use backhand::{FilesystemCompressor, FilesystemWriter, NodeHeader};
use kernel::aleph::package::{FileTree, Limits, Name};

const DIRECTORY: NodeHeader = NodeHeader { permissions: 0o755, uid: 0, gid: 0, mtime: 0 };
const FILE: NodeHeader = NodeHeader { permissions: 0o644, uid: 0, gid: 0, mtime: 0 };

/// What the runtime says to whoever mounts it.
const NOTE: &str = "\
The kernel of this node is Aerolith, which has everything in itself and reads nothing from here.
The supervisor demands that a program has a runtime and that it is a squashfs.
";

/// The runtime of a node whose kernel is the unikernel.
///
/// # Errors
/// When it cannot be packed.
pub fn image() -> Result<Vec<u8>> {
    let mut files = FileTree::new(Limits::default());
    files.put(Name::new(b"README")?, NOTE.as_bytes().to_vec())?;
    squashfs(&files)
}

/// These files as squashfs 4.0 compressed by gzip.
///
/// # Errors
/// When it cannot be packed.
pub fn squashfs(files: &FileTree) -> Result<Vec<u8>> {
    let mut system = FilesystemWriter::default();
    system.set_compressor(FilesystemCompressor::new(Compressor::Gzip, None)?);
    system.set_time(0);
    system.set_root_mode(DIRECTORY.permissions);
    system.set_only_root_id();
    for (name, bytes) in files.iter() {
        if let Some((folder, _)) = name.as_str().rsplit_once('/') {
            system.push_dir_all(folder, DIRECTORY)?;
        }
        system.push_file(Cursor::new(bytes.clone()), name.as_str(), FILE)?;
    }
    let mut out = Cursor::new(Vec::new());
    system.write(&mut out)?;
    Ok(out.into_inner())
}

#[cfg(test)]
mod tests {
    use kernel::aleph::package::{Encoding, unpack};

    use super::*;

    #[test]
    fn what_is_packed_is_read_by_the_node_and_the_order_does_not_matter() {
        let mut files: [(&str, &[u8]); 3] =
            [("main.air", b"(null)"), ("a/b/c.air", b"x"), ("a/d", &[7; 300_000])];
        let packed = |files: &[(&str, &[u8])]| {
            let mut tree = FileTree::new(Limits::default());
            for (name, bytes) in files {
                tree.put(Name::new(name.as_bytes()).unwrap(), bytes.to_vec()).unwrap();
            }
            squashfs(&tree).unwrap()
        };
        let image = packed(&files);
        let tree = unpack(&image, Encoding::Squashfs, &Limits::default()).unwrap();
        assert_eq!(tree.len(), 3);
        for (name, bytes) in &files {
            assert_eq!(tree.get(name).unwrap().as_ref(), *bytes);
        }
        files.reverse();
        assert_eq!(packed(&files), image);
    }

    #[test]
    fn the_runtime_is_a_squashfs_of_a_few_hundred_bytes() {
        let image = super::image().unwrap();
        assert!(image.starts_with(b"hsqs") && image.len() <= 8192, "{}", image.len());
        let tree = unpack(&image, Encoding::Squashfs, &Limits::default()).unwrap();
        assert_eq!(tree.get("README").unwrap().as_ref(), NOTE.as_bytes());
    }
}
