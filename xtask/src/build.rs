//! Builds the bootable images: cargo with the image's flags, then a copy without symbols.
//!
//! The same sources give the same bytes wherever they lie: the compiler is told to write its own names
//! for the folders that it reads from, and the linker's order is that of the sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use object::LittleEndian;
use object::elf::{FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::external;
use crate::image::BootCode;
use crate::image::boot_code;
use crate::image::bzimage::bzimage;
use crate::workspace;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROFILE: &str = "unikernel";
const BINARY: &str = "aerolith";

/// Which image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// What is shipped.
    Product,
    /// The same with faults to order, for the tests.
    FaultInjection,
}

/// Where an image is.
#[derive(Clone, Debug)]
pub struct ElfPaths {
    /// With symbols and line tables, for `symbolize` and gdb.
    pub with_symbols: PathBuf,
    /// What is booted and shipped: the segments only.
    pub stripped: PathBuf,
    /// The same for Linux boot loaders and EFI; made by [`build_all`].
    pub bzimage: PathBuf,
}

/// Sources, and where what is built of them goes.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The folder of the workspace.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Tree {
    /// The one that this program belongs to.
    #[must_use]
    pub fn here() -> Self {
        Self { root: workspace::root(), target: workspace::target() }
    }

    /// Where what is built for a machine without an operating system is put.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.target.join(TARGET).join(PROFILE)
    }

    /// Cargo, told to build for such a machine with these flags of the compiler.
    ///
    /// # Errors
    /// When the compiler does not say who it is.
    pub fn cargo(&self, verb: &str, flags: &[&str]) -> Result<Command> {
        let mut flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend(renamed_folders(self)?);
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.root);
        cargo.args([verb, "--locked", "--profile", PROFILE, "--target", TARGET]);
        cargo.arg("--target-dir").arg(&self.target);
        // The target is named so that these flags reach neither build scripts nor procedural macros.
        // They come as a setting, which leaves folders with spaces in their names whole.
        let flags = toml::Value::from(flags);
        cargo.arg("--config").arg(format!("target.{TARGET}.rustflags={flags}"));
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_MANIFEST_DIR"] {
            cargo.env_remove(name);
        }
        Ok(cargo)
    }
}

/// Builds an image, and prints the command that does it.
///
/// # Errors
/// When cargo fails, or the image cannot be read or written.
pub fn build(image: Image) -> Result<ElfPaths> {
    build_in(&Tree::here(), image)
}

/// Builds an image of other sources.
///
/// # Errors
/// See [`build`].
pub fn build_in(tree: &Tree, image: Image) -> Result<ElfPaths> {
    external::run(&mut cargo("build", tree, image)?)?;
    let built = tree.folder().join(BINARY);
    let built = std::fs::read(built).context("cannot read what cargo built")?;
    let paths = paths_in(tree, image);
    replace(&paths.with_symbols, &built)?;
    replace(&paths.stripped, &strip(&built).context("the image is not as expected")?)?;
    Ok(paths)
}

/// Builds every image that the tests need.
///
/// # Errors
/// See [`build`].
pub fn build_all() -> Result<()> {
    let boot = BootCode::build()?;
    for image in [Image::FaultInjection, Image::Product] {
        let paths = build(image)?;
        let elf = std::fs::read(&paths.stripped).context("cannot read what was stripped")?;
        replace(&paths.bzimage, &bzimage(&boot, &elf, "")?)?;
    }
    Ok(())
}

/// Runs clippy over the machine half and the boot code.
///
/// # Errors
/// When it finds something.
pub fn clippy() -> Result<()> {
    let mut clippy = cargo("clippy", &Tree::here(), Image::FaultInjection)?;
    external::run(clippy.args(["--", "-D", "warnings"]))?;
    boot_code::clippy()
}

/// Where an image lies, built or not. Its own names, since cargo gives all images the same one.
#[must_use]
pub fn paths(image: Image) -> ElfPaths {
    paths_in(&Tree::here(), image)
}

fn paths_in(tree: &Tree, image: Image) -> ElfPaths {
    let name = match image {
        Image::Product => "aerolith-product",
        Image::FaultInjection => "aerolith-fault-injection",
    };
    let file = |extension| tree.folder().join(format!("{name}.{extension}"));
    ElfPaths { with_symbols: file("debug"), stripped: file("elf"), bzimage: file("bzimage") }
}

fn cargo(verb: &str, tree: &Tree, image: Image) -> Result<Command> {
    let features = match image {
        Image::Product => "unikernel",
        Image::FaultInjection => "unikernel,fault-injection",
    };
    let mut cargo =
        tree.cargo(verb, &["-Crelocation-model=static", "-Cforce-frame-pointers=yes"])?;
    cargo.args(["--package", "kernel", "--bin", BINARY, "--features", features]);
    Ok(cargo)
}

/// Flags by which nothing that is built has the name of a folder of this machine in it; where several
/// fit, the compiler takes the last one.
fn renamed_folders(tree: &Tree) -> Result<Vec<String>> {
    let compiler = external::output("rustc", &["--verbose", "--version"]).context("no rustc")?;
    let commit = compiler.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    let sysroot = external::output("rustc", &["--print", "sysroot"]).context("no rustc")?;
    let library = Path::new(&sysroot).join("lib/rustlib/src/rust");
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut names = Vec::new();
    // Every registry has a folder of its own there; which one a crate came from is nobody's business.
    let registries = home.map(|home| home.join("registry/src"));
    for entry in registries.into_iter().filter_map(|folder| folder.read_dir().ok()).flatten() {
        names.push((entry?.path(), "/cargo".to_owned()));
    }
    // What the library's own build was told, in case its sources are installed.
    names.push((library, format!("/rustc/{}", commit.unwrap_or_default())));
    names.push((tree.root.clone(), ".".to_owned()));
    names.push((tree.target.clone(), "./target".to_owned()));
    Ok(names
        .into_iter()
        .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
        .collect())
}

/// Writes a file as a whole: another process may be booting the one that is there.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_added_extension(std::process::id().to_string());
    let failed = || format!("cannot write {}", path.display());
    std::fs::write(&unfinished, bytes).with_context(failed)?;
    std::fs::rename(&unfinished, path).with_context(failed)
}

/// The ELF file `image` up to where its last segment ends.
///
/// Symbols, line tables and the section headers come after the segments in the file, so that
/// cutting them off and clearing the header's mention of them is all there is to it.
fn strip(image: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader64::<LittleEndian>::parse(image)?;
    let segments = header.program_headers(LittleEndian, image)?;
    let end_of = |segment: &ProgramHeader64<LittleEndian>| {
        let (offset, bytes) = segment.file_range(LittleEndian);
        offset.saturating_add(bytes)
    };
    let Some(end) = segments.iter().map(end_of).max() else { bail!("it has no segments") };
    let mut stripped =
        image.get(..usize::try_from(end)?).context("a segment goes beyond its end")?.to_vec();
    // e_shoff; e_shentsize, e_shnum and e_shstrndx (ELF-64 object file format, figure 2).
    for field in [0x28..0x30, 0x3A..0x40] {
        stripped.get_mut(field).context("it is too short")?.fill(0);
    }
    ensure!(FileHeader64::<LittleEndian>::parse(&*stripped).is_ok(), "its header got lost");
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, one segment of 8 bytes, and something after it.
    fn elf() -> Vec<u8> {
        let mut image = vec![0u8; 64 + 56 + 8 + 100];
        image[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        let fields: [(usize, u64, usize); 9] = [
            (0x10, 2, 2),
            (0x12, 62, 2),
            (0x14, 1, 4),
            (0x20, 64, 8),
            (0x28, 128, 8),
            (0x34, 64, 2),
            (0x36, 56, 2),
            (0x38, 1, 2),
            (0x3A, 64, 2),
        ];
        let segment: [(usize, u64, usize); 3] = [(64, 1, 4), (64 + 8, 120, 8), (64 + 32, 8, 8)];
        for (at, value, bytes) in fields.into_iter().chain(segment) {
            image[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        }
        image[0x3C] = 1;
        image[120..].fill(0xAA);
        image
    }

    #[test]
    fn stripping_keeps_the_segments_and_nothing_after_them() {
        let stripped = strip(&elf()).unwrap();
        assert_eq!(stripped.len(), 128);
        assert_eq!(stripped[120..], [0xAA; 8]);
        let header = FileHeader64::<LittleEndian>::parse(&*stripped).unwrap();
        assert_eq!((header.e_shoff(LittleEndian), header.e_shnum(LittleEndian)), (0, 0));
        assert_eq!(header.e_phnum(LittleEndian), 1);
    }

    #[test]
    fn stripping_refuses_what_is_no_image() {
        assert!(strip(b"not an ELF file").is_err());
        let mut beyond = elf();
        beyond[64 + 32 + 1] = 0xFF;
        assert!(strip(&beyond).is_err());
    }
}
