//! The code that stands before the kernel, as the package `boot-code` is built.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol};

use crate::build::Tree;
use crate::external;

const BINARY: &str = "aerolith-boot";
/// How `boot-code` names its relocations' type: the only one that it applies itself.
const RELATIVE: u32 = 8;
const RELOCATION_BYTES: usize = 24;

/// Its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootCode {
    /// The 440 bytes of a boot sector.
    pub master: Vec<u8>,
    /// The 16-bit code of a bzImage, header and all; at most 4096 bytes.
    pub setup: Vec<u8>,
    /// What a bzImage's protected-mode part begins with: whole pages.
    pub stub: Vec<u8>,
    /// Where in the stub the pages begin that are written to.
    pub writable_from: usize,
}

impl BootCode {
    /// Builds it, and prints the command that does it.
    ///
    /// # Errors
    /// When cargo fails, or what it built is not as expected.
    pub fn build() -> Result<BootCode> {
        Self::build_in(&Tree::here())
    }

    /// That which was built last.
    ///
    /// # Errors
    /// When there is none.
    pub fn built() -> Result<BootCode> {
        let path = path();
        let built = std::fs::read(&path).with_context(|| {
            format!("{} is missing; `cargo xtask build` makes it", path.display())
        })?;
        BootCode::cut(&built)
    }

    /// Builds that of other sources.
    ///
    /// # Errors
    /// See [`BootCode::build`].
    pub fn build_in(tree: &Tree) -> Result<BootCode> {
        external::run(&mut cargo("build", tree)?)?;
        let path = tree.folder().join(BINARY);
        let built = std::fs::read(&path).with_context(|| path.display().to_string())?;
        BootCode::cut(&built).context("the boot code is not as expected")
    }

    /// Cuts the parts out of the ELF file that the linker made.
    ///
    /// # Errors
    /// When a part is missing, or would need a loader.
    pub fn cut(elf: &[u8]) -> Result<BootCode> {
        let file = object::File::parse(elf)?;
        let section = |name: &str| {
            file.section_by_name(name).with_context(|| format!("it has no section {name}"))
        };
        let bytes = |name: &str| Ok::<_, anyhow::Error>(section(name)?.data()?.to_vec());
        let end = file
            .symbols()
            .find(|symbol| symbol.name() == Ok("stub_end"))
            .context("it has no symbol stub_end")?
            .address();
        let (stub, relocations, scratch) =
            (section(".stub")?, section(".rela.dyn")?, section(".scratch")?);
        for relocation in relocations.data()?.chunks(RELOCATION_BYTES) {
            let kind = relocation
                .get(8..12)
                .and_then(|kind| Some(u32::from_le_bytes(*kind.first_chunk()?)));
            let place = relocation.first_chunk().map(|place| u64::from_le_bytes(*place));
            let sound = kind == Some(RELATIVE)
                && place.is_some_and(|place| (scratch.address()..end).contains(&place));
            ensure!(sound, "a relocation that it cannot apply itself: {relocation:x?}");
        }
        let mut whole = vec![0; usize::try_from(end - stub.address())?];
        for part in [&stub, &relocations, &scratch] {
            let start = usize::try_from(part.address() - stub.address())?;
            let data = part.data()?;
            let room = whole.get_mut(start..).and_then(|rest| rest.get_mut(..data.len()));
            room.context("a section lies outside of the stub")?.copy_from_slice(data);
        }
        let writable_from = usize::try_from(scratch.address() - stub.address())?;
        Ok(BootCode {
            master: bytes(".master")?,
            setup: bytes(".setup")?,
            stub: whole,
            writable_from,
        })
    }
}

/// Runs clippy over the boot code.
///
/// # Errors
/// When it finds something.
pub fn clippy() -> Result<()> {
    external::run(cargo("clippy", &Tree::here())?.args(["--", "-D", "warnings"]))
}

fn cargo(verb: &str, tree: &Tree) -> Result<Command> {
    // It runs wherever it is loaded, and beside firmware whose interrupts use its stack.
    let mut cargo = tree.cargo(verb, &["-Crelocation-model=pic", "-Cno-redzone=yes"])?;
    cargo.args(["--package", "boot-code", "--bin", BINARY, "--features", "freestanding"]);
    Ok(cargo)
}

/// Where what cargo builds of it is, for tests that cannot build.
#[must_use]
pub fn path() -> PathBuf {
    Tree::here().folder().join(BINARY)
}
