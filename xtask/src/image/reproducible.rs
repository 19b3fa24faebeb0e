//! Whether the same sources give the same bytes in another folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::{BootCode, Options, assemble, inputs, sums};
use crate::build::{self, Image, Tree};
use crate::workspace;

/// What is no source.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// Builds everything again from a copy of the sources, with nothing built before, and compares it with
/// what is in `first`.
///
/// # Errors
/// What differs, or why it cannot be built.
pub fn check(options: &Options, first: &Path) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith another path ")?;
    let root = folder.path().join("sources");
    copy(&workspace::root(), &root)?;
    let tree = Tree { target: root.join("target"), root };
    let kernel = build::build_in(&tree, Image::Product)?.stripped;
    let second = folder.path().join("images");
    assemble(&inputs::gather(options, BootCode::build_in(&tree)?, &kernel)?, &second)?;
    let count = compare(first, &second)?;
    println!("{count} files came out the same, byte for byte, in {}", tree.root.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        fs::create_dir_all(to.join(&folder))?;
        for entry in fs::read_dir(from.join(&folder))? {
            let entry = entry?;
            let name = folder.join(entry.file_name());
            if LEFT_OUT.iter().any(|left_out| name == Path::new(left_out)) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(name);
            } else if kind.is_file() {
                fs::copy(entry.path(), to.join(&name))
                    .with_context(|| entry.path().display().to_string())?;
            }
        }
    }
    Ok(())
}

/// The number of files that two folders both have, if they have the same ones with the same bytes.
///
/// # Errors
/// The files that are not the same, and where they begin to differ.
pub fn compare(first: &Path, second: &Path) -> Result<usize> {
    let (names, others) = (sums::files(first)?, sums::files(second)?);
    let mut differences = Vec::new();
    for name in &names {
        if !others.contains(name) {
            differences.push(format!("{name} is not there again"));
            continue;
        }
        let (one, two) = (fs::read(first.join(name))?, fs::read(second.join(name))?);
        if one != two {
            let at = one.iter().zip(&two).take_while(|(a, b)| a == b).count();
            let (one, two) = (one.len(), two.len());
            differences.push(format!("{name} differs from byte {at} on ({one} and {two} bytes)"));
        }
    }
    differences.extend(
        others
            .iter()
            .filter(|name| !names.contains(name))
            .map(|name| format!("{name} was not there before")),
    );
    if !differences.is_empty() {
        bail!("not the same:\n{}", differences.join("\n"));
    }
    Ok(names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_a_length_and_a_name_make_a_difference() {
        let write = |name: &str, bytes: &[u8]| {
            let folder = TempDir::new().unwrap();
            fs::write(folder.path().join(name), bytes).unwrap();
            folder
        };
        let one = write("a", b"12");
        let compared = |other: &TempDir| compare(one.path(), other.path());
        assert_eq!(compared(&write("a", b"12")).unwrap(), 1);
        let differs = compared(&write("a", b"13")).unwrap_err().to_string();
        assert!(differs.contains("a differs from byte 1"), "{differs}");
        assert!(compared(&write("a", b"123")).is_err());
        assert!(compared(&write("b", b"12")).is_err());
    }

    #[test]
    fn sources_are_copied_without_what_was_built_of_them() {
        let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for folder in ["a/target", "target/x", ".git"] {
            fs::create_dir_all(from.path().join(folder)).unwrap();
            fs::write(from.path().join(folder).join("f"), b"f").unwrap();
        }
        copy(from.path(), to.path()).unwrap();
        assert_eq!(sums::files(to.path()).unwrap(), ["a/target/f"]);
    }
}
