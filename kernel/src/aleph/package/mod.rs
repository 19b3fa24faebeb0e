//! Packages: the code, the data and the export of a program.
//!
//! | encoding | what it is |
//! |---|---|
//! | `plain` | the file itself |
//! | `zip` | PKZIP, stored and deflated entries, without ZIP64 and encryption |
//! | `tar.gzip` | ustar, with the long names of GNU and pax, in gzip (RFC 1952) |
//! | `squashfs` | version 4.0, compressed with gzip as `mksquashfs` does by itself, or with zstd |
//!
//! All are read into a [`FileTree`], which bounds what they may hold: [`Limits`] on sizes, numbers and the
//! ratio between packed and unpacked; names without `..`, without a leading `/`, each once. Links and
//! devices are refused. Directories are their files' names, so an empty one is not kept.

mod deflate;
mod entrypoint;
mod export;
mod gzip;
mod name;
mod squashfs;
mod tar;
#[cfg(test)]
mod tests;
mod tree;
mod zip;

use alloc::boxed::Box;
use core::fmt;

pub use deflate::crc32;
pub use entrypoint::{NoScript, script};
pub use export::{OutOfMemory, Packer, SLICE_BYTES, tar_gzip};
pub use name::Name;
pub use tree::{FileTree, Limits};

use crate::aleph::limits::MAX_SHOWN_KEY_CHARS;

/// How a package is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Plain,
    /// As a zip file.
    Zip,
    /// As a tar file in gzip.
    TarGzip,
    /// As a file system image.
    Squashfs,
}

impl Encoding {
    /// The encoding of this name in a message.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "plain" => Some(Self::Plain),
            "zip" => Some(Self::Zip),
            "tar.gzip" => Some(Self::TarGzip),
            "squashfs" => Some(Self::Squashfs),
            _ => None,
        }
    }
}

/// Why a package cannot be read, or a file not be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageError {
    /// The package has more bytes than [`Limits::packed_bytes`].
    TooLarge,
    /// Its files have more bytes than [`Limits::unpacked_bytes`].
    TooMuch,
    /// Its files have too many times the bytes of the package.
    TooDense,
    /// It has more entries than [`Limits::files`].
    TooManyFiles,
    /// A name is not allowed.
    BadName(Box<str>),
    /// A name is there twice, or is that of a file and of a directory.
    Duplicate(Box<str>),
    /// An entry is a link.
    Link(Box<str>),
    /// An entry is neither file, directory nor link.
    Special(Box<str>),
    /// A part of the package, named here, is cut off or makes no sense.
    Malformed(&'static str),
    /// The bytes of this part are not those that were packed.
    Checksum(&'static str),
    /// The package needs something that is not supported.
    Unsupported(&'static str),
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the package is too large"),
            Self::TooMuch => f.write_str("the files of the package are too large"),
            Self::TooDense => f.write_str("the package unpacks to too many times its size"),
            Self::TooManyFiles => f.write_str("the package has too many files"),
            Self::BadName(name) => write!(f, "`{name}` is not a name that a file may have"),
            Self::Duplicate(name) => write!(f, "`{name}` is there twice"),
            Self::Link(name) => write!(f, "`{name}` is a link"),
            Self::Special(name) => write!(f, "`{name}` is neither a file nor a directory"),
            Self::Malformed(part) => write!(f, "the {part} is damaged"),
            Self::Checksum(part) => write!(f, "the checksum of the {part} is wrong"),
            Self::Unsupported(what) => write!(f, "{what} is not supported"),
        }
    }
}

impl core::error::Error for PackageError {}

/// A foreign name, made fit for a line of text.
fn shown(name: &[u8]) -> Box<str> {
    let text = alloc::string::String::from_utf8_lossy(name);
    let escaped = text.chars().take(MAX_SHOWN_KEY_CHARS).flat_map(char::escape_debug);
    escaped.collect::<alloc::string::String>().into()
}

/// Reads a package that has several files.
///
/// # Errors
/// [`PackageError`]; [`Encoding::Plain`] is no package but a file.
pub fn unpack(bytes: &[u8], encoding: Encoding, limits: &Limits) -> Result<FileTree, PackageError> {
    if bytes.len() > limits.packed_bytes {
        return Err(PackageError::TooLarge);
    }
    let mut tree = FileTree::new(*limits);
    tree.limit_to_ratio(bytes.len());
    match encoding {
        Encoding::Plain => return Err(PackageError::Unsupported("a package that is not packed")),
        Encoding::Zip => zip::read(bytes, &mut tree)?,
        Encoding::TarGzip => read_tar_gzip(bytes, &mut tree)?,
        Encoding::Squashfs => squashfs::read(bytes, &mut tree)?,
    }
    tree.limit_to_size();
    Ok(tree)
}

/// Reads what [`tar_gzip`] wrote, however many times its own size it unpacks to: the files were within
/// their limits when it was written.
///
/// # Errors
/// [`PackageError`].
pub fn unpack_export(bytes: &[u8], limits: &Limits) -> Result<FileTree, PackageError> {
    let mut tree = FileTree::new(*limits);
    read_tar_gzip(bytes, &mut tree)?;
    Ok(tree)
}

fn read_tar_gzip(bytes: &[u8], tree: &mut FileTree) -> Result<(), PackageError> {
    let unpacked = match gzip::unpack(bytes, tree.archive_room()) {
        Err(PackageError::TooMuch) => return Err(tree.no_room()),
        unpacked => unpacked?,
    };
    tar::read(&unpacked, tree)
}
