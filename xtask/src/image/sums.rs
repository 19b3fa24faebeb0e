//! Sizes and SHA-384 of what was made.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha384};

use super::hexadecimal;

/// The file that lists them, in the form of `sha384sum`.
const FILE: &str = "SHA384SUMS";
/// What is loaded as it is, so that its digest is what a measured launch measures.
const LOADED: [(&str, &str); 2] = [
    ("aerolith.elf", "kernel, by PVH or the 64-bit Linux entry"),
    ("aerolith.bzimage", "kernel, by Linux loaders; EFI/BOOT/BOOTX64.EFI"),
];

/// Writes the list of all files in `folder`.
///
/// # Errors
/// When one cannot be read.
pub fn write(folder: &Path) -> Result<()> {
    let mut list = String::new();
    for name in files(folder)? {
        writeln!(list, "{}  {name}", digest(&folder.join(&name))?)?;
    }
    Ok(fs::write(folder.join(FILE), list)?)
}

/// Every file below `folder` with its size, then the digests of what is loaded.
///
/// # Errors
/// When one cannot be read.
pub fn table(folder: &Path) -> Result<String> {
    let mut out = format!("{}\n", folder.display());
    for name in files(folder)?.iter().filter(|name| !name.contains("blobs/")) {
        writeln!(out, "{:>12}  {name}", fs::metadata(folder.join(name))?.len())?;
    }
    writeln!(out, "SHA-384 of what is loaded:")?;
    for (name, what) in LOADED {
        writeln!(out, "{}  {name} ({what})", digest(&folder.join(name))?)?;
    }
    Ok(out)
}

/// The names of all files below `folder`, relative to it, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).with_context(|| at.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                names.push(path.strip_prefix(folder)?.display().to_string());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn digest(file: &Path) -> Result<String> {
    let mut hash = Sha384::new();
    let mut open = fs::File::open(file).with_context(|| file.display().to_string())?;
    io::copy(&mut open, &mut io::BufWriter::new(Sink(&mut hash)))?;
    Ok(hexadecimal(&hash.finalize()))
}

struct Sink<'a>(&'a mut Sha384);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_list_has_every_file_with_the_digest_that_others_compute() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/a"), b"").unwrap();
        fs::write(folder.path().join("a"), b"abc").unwrap();
        write(folder.path()).unwrap();
        // FIPS 180-4's example of SHA-384, and that of nothing.
        let expected = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
            8086072ba1e7cc2358baeca134c825a7  a\n\
            38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fb\
            d51ad2f14898b95b  b/a\n";
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), expected);
    }
}
