//! What the artefacts are made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kernel::aleph::package::Limits;
use kernel::program::{Definition, Package};

use super::aleph::{Author, Code};
use super::runtime;
use super::{BootCode, Options};
use crate::node_config::NodeConfig;
use crate::{external, program_folder, workspace};

/// Where a program finds its code, as names of files are written.
const CODE_MOUNT: &str = "opt/code/";

/// Everything that has a say in what the artefacts are.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The code that stands before the kernel.
    pub boot: BootCode,
    /// The kernel without symbols.
    pub kernel: Vec<u8>,
    /// The node's configuration as a blob.
    pub configuration: Option<Vec<u8>>,
    /// The node's programs as a bundle.
    pub programs: Option<Vec<u8>>,
    /// Size of an empty volume in MiB; 0: none.
    pub volume_mib: u32,
    /// Who publishes.
    pub author: Author,
    /// The code of the program that is published.
    pub code: Code,
}

impl Inputs {
    /// The kernel alone, with the first example as what is published.
    ///
    /// # Errors
    /// When the example cannot be read.
    pub fn new(boot: BootCode, kernel: Vec<u8>, author: Author) -> Result<Self> {
        let (configuration, programs, code) = (None, None, hello()?);
        Ok(Self { boot, kernel, configuration, programs, volume_mib: 0, author, code })
    }

    /// Puts the programs in these folders in, and publishes the first of them instead of the example.
    ///
    /// # Errors
    /// When a folder is no program, or they are too many or too large for a node.
    pub fn host(&mut self, folders: &[PathBuf]) -> Result<()> {
        self.programs = program_folder::bundle(folders)?;
        if let Some(first) = folders.first() {
            self.code = published(&program_folder::package(first)?)?;
        }
        Ok(())
    }

    /// Configuration and programs in one piece, as an initial RAM disk hands them over.
    #[must_use]
    pub fn module(&self) -> Option<Vec<u8>> {
        let parts: Vec<&[u8]> = [&self.configuration, &self.programs]
            .into_iter()
            .filter_map(|p| p.as_deref())
            .collect();
        (!parts.is_empty()).then(|| parts.concat())
    }
}

/// Reads what the options name.
///
/// # Errors
/// When a file cannot be read or says what the node cannot do.
pub fn gather(options: &Options, boot: BootCode, kernel: &Path) -> Result<Inputs> {
    let author = Author {
        chain: options.chain.clone(),
        address: options.address.clone(),
        time: options.time.or_else(source_time).unwrap_or(0),
    };
    let kernel = fs::read(kernel).with_context(|| kernel.display().to_string())?;
    let mut inputs = Inputs::new(boot, kernel, author)?;
    if let Some(file) = &options.config {
        inputs.configuration = Some(NodeConfig::read(Some(file))?.blob()?);
    }
    inputs.host(&options.program)?;
    inputs.volume_mib = options.volume;
    Ok(inputs)
}

/// The first example, as code in one file.
fn hello() -> Result<Code> {
    let file = workspace::root().join("examples/hello.air");
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    Ok(Code { encoding: "plain", entrypoint: "main".to_owned(), bytes })
}

/// A program's code in one of the forms that the network takes: the script alone, or the files that it came
/// with, as squashfs. Its data are not published.
fn published(package: &Package) -> Result<Code> {
    let definition = Definition::of_package(package, &Limits::default())?;
    let entrypoint = definition.program().code.entrypoint.to_string();
    let files: Vec<(String, Vec<u8>)> = definition
        .files()
        .iter()
        .filter_map(|(name, bytes)| Some((name.as_str().strip_prefix(CODE_MOUNT)?, bytes)))
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .collect();
    if files.is_empty() {
        let bytes = definition.script().as_bytes().to_vec();
        return Ok(Code { encoding: "plain", entrypoint, bytes });
    }
    Ok(Code { encoding: "squashfs", entrypoint, bytes: runtime::squashfs(&files)? })
}

/// The time of the sources (reproducible-builds.org, SOURCE_DATE_EPOCH), else of the last commit.
fn source_time() -> Option<u64> {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok();
    let root = workspace::root().display().to_string();
    let told =
        told.or_else(|| external::output("git", &["-C", &root, "log", "-1", "--format=%ct"]));
    told?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use kernel::aleph::package::{Encoding, script, unpack};
    use tempfile::TempDir;

    use super::*;

    fn folder(encoding: &str, files: &[&str]) -> TempDir {
        let folder = TempDir::new().unwrap();
        let message = format!(
            r#"{{"type":"vm-function","address":"x","time":1,"content":{{
                "code":{{"encoding":"{encoding}","entrypoint":"main"}},"on":{{"http":true}}}}}}"#
        );
        fs::write(folder.path().join("message.json"), message).unwrap();
        for file in files {
            fs::write(folder.path().join(file), "(null)").unwrap();
        }
        folder
    }

    fn code(folder: &TempDir) -> Code {
        published(&program_folder::package(folder.path()).unwrap()).unwrap()
    }

    #[test]
    fn a_script_is_published_as_it_is() {
        let code = code(&folder("plain", &["main.air"]));
        assert_eq!((code.encoding, code.entrypoint.as_str()), ("plain", "main"));
        assert_eq!(code.bytes, b"(null)");
    }

    #[test]
    fn scripts_are_published_as_squashfs_from_which_the_entrypoint_is_found() {
        let code = code(&folder("tar.gzip", &["main.air", "other.air"]));
        assert_eq!(code.encoding, "squashfs");
        let tree = unpack(&code.bytes, Encoding::Squashfs, &Limits::default()).unwrap();
        assert_eq!(tree.len(), 2);
        assert_eq!(script(&tree, &code.entrypoint).unwrap(), "(null)");
    }
}
