//! An initial RAM disk for Linux: a cpio archive in the form that it unpacks
//! (Documentation/driver-api/early-userspace/buffer-format.rst, "newc").

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Permissions and kind of a program.
const PROGRAM: u32 = 0o100_755;
/// The same of a folder.
const FOLDER: u32 = 0o040_755;

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds everything below `folder`, under its name there; links stay links.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn add_tree(&mut self, folder: &Path) -> Result<()> {
        let mut open = vec![PathBuf::new()];
        while let Some(at) = open.pop() {
            let mut entries = fs::read_dir(folder.join(&at))
                .with_context(|| folder.join(&at).display().to_string())?
                .map(|entry| Ok(entry?.file_name()))
                .collect::<Result<Vec<_>>>()?;
            entries.sort();
            for name in entries {
                let name = at.join(name);
                let path = folder.join(&name);
                let metadata = fs::symlink_metadata(&path)?;
                let data = if metadata.is_dir() {
                    open.push(name.clone());
                    Vec::new()
                } else if metadata.is_symlink() {
                    fs::read_link(&path)?.as_os_str().as_bytes().to_vec()
                } else {
                    fs::read(&path)?
                };
                self.add(name.as_os_str().as_bytes(), metadata.mode(), &data)?;
            }
        }
        Ok(())
    }

    /// Adds a program that is to be run.
    ///
    /// # Errors
    /// When it is too large for the form.
    pub fn add_program(&mut self, name: &str, data: &[u8]) -> Result<()> {
        self.add(name.as_bytes(), PROGRAM, data)
    }

    /// Adds an empty folder.
    ///
    /// # Errors
    /// None that happens.
    pub fn add_folder(&mut self, name: &str) -> Result<()> {
        self.add(name.as_bytes(), FOLDER, &[])
    }

    fn add(&mut self, name: &[u8], mode: u32, data: &[u8]) -> Result<()> {
        self.entries += 1;
        let (size, name_size) = (u32::try_from(data.len())?, u32::try_from(name.len() + 1)?);
        // Inode, mode, owner, group, links, time, size, four device numbers, size of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0]
            .map(|f| format!("{f:08X}"));
        self.bytes.extend_from_slice(b"070701");
        self.bytes.extend_from_slice(fields.concat().as_bytes());
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(data);
        self.align();
        Ok(())
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The archive with its end.
    ///
    /// # Errors
    /// None that happens: the last entry is small.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.add(b"TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn an_archive_has_folders_before_what_is_in_them_and_links_as_links() {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), b"12345").unwrap();
        std::os::unix::fs::symlink("b/c", folder.path().join("a/d")).unwrap();
        let mut archive = Archive::default();
        archive.add_tree(folder.path()).unwrap();
        archive.add_program("init", b"#!").unwrap();
        let mut rest = &archive.finish().unwrap()[..];
        let mut seen = Vec::new();
        while !rest.is_empty() {
            assert!(rest.starts_with(b"070701"));
            let field = |index: usize| {
                let text = std::str::from_utf8(&rest[6 + index * 8..][..8]).unwrap();
                usize::from_str_radix(text, 16).unwrap()
            };
            let (mode, size, name) = (field(1), field(6), field(11));
            let data = (110 + name).next_multiple_of(4);
            let text = String::from_utf8_lossy(&rest[110..109 + name]).into_owned();
            seen.push((text, mode >> 12, rest[data..data + size].to_vec()));
            rest = &rest[(data + size).next_multiple_of(4)..];
        }
        let entry = |name: &str, kind: usize, data: &[u8]| (name.to_owned(), kind, data.to_vec());
        let expected = [
            entry("a", 4, b""),
            entry("a/b", 4, b""),
            entry("a/d", 10, b"b/c"),
            entry("a/b/c", 8, b"12345"),
            entry("init", 8, b"#!"),
            entry("TRAILER!!!", 0, b""),
        ];
        assert_eq!(seen, expected);
    }
}
