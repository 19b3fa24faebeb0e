//! `cargo xtask image`: from one kernel, everything that is deployed.
//!
//! | artefact | what |
//! |---|---|
//! | `aerolith.elf` | the kernel: PVH and 64-bit Linux entry |
//! | `aerolith.bzimage` | the same kernel as a Linux image that is an EFI application too |
//! | `aerolith.initrd` | configuration and programs, where given |
//! | `aerolith.img`, `aerolith.qcow2` | a disk that firmware of both kinds boots |
//! | `aleph-runtime/` | the Aleph network: files and the messages that publish them |
//! | `oci/` | an OCI image layout |
//! | `SHA384SUMS` | of every file above, for `sha384sum --check` and for measured launches |
//!
//! The same kernel, configuration and programs give the same bytes.

mod aleph;
pub mod bios;
pub mod boot_code;
pub mod bzimage;
pub mod disk;
mod esp;
mod identity;
mod inputs;
pub mod oci;
pub(crate) mod portable_executable;
pub mod qcow2;
mod reproducible;
pub mod runtime;
mod sums;
mod tar;
mod zip;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

pub use self::aleph::Author;
pub use self::boot_code::BootCode;
pub use self::inputs::Inputs;
pub use self::reproducible::compare;
use crate::build::{self, Image};
use crate::workspace;

/// Makes everything that is deployed: kernel, disk images, Aleph and OCI folders
#[derive(Args, Debug)]
pub struct Options {
    /// Folder for what is made [default: target/images]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The node's configuration, put into the images
    #[arg(long, value_name = "NODE.toml")]
    config: Option<PathBuf>,
    /// A program, put into the images; may be given several times
    #[arg(long, value_name = "DIR")]
    program: Vec<PathBuf>,
    /// Size of an empty volume on the disk, on which the node keeps what is to survive power-off
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    volume: u32,
    /// Who publishes on the Aleph network
    #[arg(long, default_value = "0x0000000000000000000000000000000000000000")]
    address: String,
    /// The block chain whose kind of key that is
    #[arg(long, default_value = "ETH")]
    chain: String,
    /// Time of the Aleph messages in seconds since 1970 [default: SOURCE_DATE_EPOCH, else that of the
    /// last commit]
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Build everything twice, the second time from a copy of the sources in another folder, and
    /// compare every byte
    #[arg(long)]
    check_reproducible: bool,
}

/// Makes the artefacts and prints what they are; or checks that they come out the same.
///
/// # Errors
/// When something cannot be built, read or written, or does not come out the same.
pub fn run(options: &Options) -> Result<()> {
    qcow2::ensure()?;
    let kernel = build::build(Image::Product)?.stripped;
    let inputs = inputs::gather(options, BootCode::build()?, &kernel)?;
    let out = options.out.clone().unwrap_or_else(|| workspace::target().join("images"));
    assemble(&inputs, &out)?;
    print!("{}", sums::table(&out)?);
    if options.check_reproducible {
        reproducible::check(options, &out)?;
    }
    Ok(())
}

/// Makes the artefacts of `inputs` in `out`, in place of what is there.
///
/// # Errors
/// When something cannot be written, or is too large for its place.
pub fn assemble(inputs: &Inputs, out: &Path) -> Result<()> {
    let unfinished = out.with_added_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
    fill(inputs, &unfinished)?;
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::rename(&unfinished, out).with_context(|| out.display().to_string())
}

fn fill(inputs: &Inputs, folder: &Path) -> Result<()> {
    let kernel = folder.join("aerolith.elf");
    fs::write(&kernel, &inputs.kernel)?;
    let bzimage = bzimage::bzimage(&inputs.boot, &inputs.kernel, "")?;
    fs::write(folder.join("aerolith.bzimage"), &bzimage)?;
    let module = inputs.module();
    if let Some(module) = &module {
        fs::write(folder.join("aerolith.initrd"), module)?;
    }
    let raw = folder.join("aerolith.img");
    let mut file = File::create_new(&raw)?;
    disk::write(
        &mut file,
        &disk::Contents {
            boot: &inputs.boot,
            kernel: &bzimage,
            configuration: inputs.configuration.as_deref(),
            programs: inputs.programs.as_deref(),
            volume_mib: inputs.volume_mib,
        },
    )?;
    drop(file);
    qcow2::convert(&raw, &folder.join("aerolith.qcow2"))?;
    let aleph = folder.join("aleph-runtime");
    aleph::write_instance(&aleph.join("instance"), &raw, &inputs.author)?;
    let node = aleph.join("node");
    aleph::write_node(&node, &kernel, &runtime::image()?, &inputs.publication, &inputs.author)?;
    oci::write(&folder.join("oci"), &inputs.kernel, module.as_deref())?;
    sums::write(folder)
}

/// Bytes as lower-case hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
