//! Files by their names, within bounds.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Name, PackageError, shown};
use crate::aleph::limits::{
    MAX_PACKAGE_BYTES, MAX_PACKAGE_FILES, MAX_PACKAGE_RATIO, MAX_UNPACKED_BYTES,
    PACKAGE_RATIO_GRACE_BYTES,
};

/// What a package may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the package itself.
    pub packed_bytes: usize,
    /// Bytes of all files together.
    pub unpacked_bytes: usize,
    /// Number of files and directories.
    pub files: usize,
}

impl Default for Limits {
    /// The most that a machine with ample memory takes.
    fn default() -> Self {
        Self {
            packed_bytes: MAX_PACKAGE_BYTES,
            unpacked_bytes: MAX_UNPACKED_BYTES,
            files: MAX_PACKAGE_FILES,
        }
    }
}

/// Files by their names, sorted; what a program reads, and what it leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTree {
    files: BTreeMap<Name, Arc<[u8]>>,
    /// Directories that files are in, each with the number of them.
    directories: BTreeMap<Arc<str>, usize>,
    /// Bytes of the files.
    size: usize,
    /// Entries that were seen in a package, files or not.
    entries: usize,
    limits: Limits,
    /// While a package is read: what its own size lets it unpack to.
    most_by_ratio: usize,
}

impl FileTree {
    /// No files.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            files: BTreeMap::new(),
            directories: BTreeMap::new(),
            size: 0,
            entries: 0,
            limits,
            most_by_ratio: usize::MAX,
        }
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<[u8]>> {
        self.files.get(name)
    }

    /// The files in the order of their names' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Arc<[u8]>)> {
        self.files.iter()
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Keeps a file under this name, in place of one that is there.
    ///
    /// # Errors
    /// [`PackageError::Duplicate`] if the name is that of a directory or goes through a file;
    /// [`PackageError::TooMuch`] and [`PackageError::TooManyFiles`] at the limits.
    pub fn put(&mut self, name: Name, bytes: Vec<u8>) -> Result<(), PackageError> {
        self.put_shared(name, bytes.into())
    }

    /// The same with bytes that others may have too.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_shared(&mut self, name: Name, bytes: Arc<[u8]>) -> Result<(), PackageError> {
        let through = name.directories().find(|directory| self.files.contains_key(*directory));
        if through.is_some() || self.directories.contains_key(name.as_str()) {
            return Err(PackageError::Duplicate(shown(name.as_str().as_bytes())));
        }
        let replaced = self.files.get(&name).map(|bytes| bytes.len());
        if replaced.is_none() && self.files.len() >= self.limits.files {
            return Err(PackageError::TooManyFiles);
        }
        let size = (self.size - replaced.unwrap_or(0)).saturating_add(bytes.len());
        if size > self.limits.unpacked_bytes {
            return Err(PackageError::TooMuch);
        }
        self.size = size;
        if replaced.is_none() {
            for directory in name.directories() {
                match self.directories.get_mut(directory) {
                    Some(count) => *count += 1,
                    None => {
                        self.directories.insert(directory.into(), 1);
                    }
                }
            }
        }
        self.files.insert(name, bytes);
        Ok(())
    }

    /// Takes a file away; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some((name, bytes)) = self.files.remove_entry(name) else { return false };
        self.size -= bytes.len();
        for directory in name.directories() {
            if let Some(count) = self.directories.get_mut(directory) {
                *count -= 1;
                if *count == 0 {
                    self.directories.remove(directory);
                }
            }
        }
        true
    }

    /// Bounds what is unpacked by the size of the package, until [`limit_to_size`](Self::limit_to_size).
    pub(super) fn limit_to_ratio(&mut self, packed: usize) {
        self.most_by_ratio =
            packed.saturating_mul(MAX_PACKAGE_RATIO).max(PACKAGE_RATIO_GRACE_BYTES);
    }

    pub(super) fn limit_to_size(&mut self) {
        self.most_by_ratio = usize::MAX;
    }

    /// How many bytes all files may unpack to.
    pub(super) fn most(&self) -> usize {
        self.limits.unpacked_bytes.min(self.most_by_ratio)
    }

    /// How many bytes another file may unpack to.
    pub(super) fn room(&self) -> usize {
        self.most().saturating_sub(self.size)
    }

    /// How many bytes an archive may unpack to that has blocks around its files.
    pub(super) fn archive_room(&self) -> usize {
        super::tar::size_at_most(&self.limits).min(self.most_by_ratio)
    }

    /// What is wrong when a file does not fit [`room`](Self::room).
    pub(super) fn no_room(&self) -> PackageError {
        if self.most_by_ratio < self.limits.unpacked_bytes {
            PackageError::TooDense
        } else {
            PackageError::TooMuch
        }
    }

    /// Counts an entry of a package, whatever it is.
    pub(super) fn count_entry(&mut self) -> Result<(), PackageError> {
        if self.entries >= self.limits.files {
            return Err(PackageError::TooManyFiles);
        }
        self.entries += 1;
        Ok(())
    }

    /// Keeps a file of a package, whose name must be new.
    pub(super) fn add(&mut self, name: Name, bytes: Vec<u8>) -> Result<(), PackageError> {
        if self.files.contains_key(&name) {
            return Err(PackageError::Duplicate(shown(name.as_str().as_bytes())));
        }
        if bytes.len() > self.room() {
            return Err(self.no_room());
        }
        self.put(name, bytes)
    }
}
