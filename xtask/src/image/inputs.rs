//! What the artefacts are made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::aleph::{Author, Publication};
use super::{BootCode, Options};
use crate::node_config::NodeConfig;
use crate::{external, program_folder, workspace};

/// The program that is published where none is named.
const EXAMPLE: &str = "examples/hello";

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
    /// The program that is published.
    pub publication: Publication,
}

impl Inputs {
    /// The kernel alone, with the first example as what is published.
    ///
    /// # Errors
    /// When the example cannot be read.
    pub fn new(boot: BootCode, kernel: Vec<u8>, author: Author) -> Result<Self> {
        let (configuration, programs) = (None, None);
        let publication = published(&workspace::root().join(EXAMPLE))?;
        Ok(Self { boot, kernel, configuration, programs, volume_mib: 0, author, publication })
    }

    /// Puts the programs in these folders in, and publishes the first of them instead of the example.
    ///
    /// # Errors
    /// When a folder is no program, or they are too many or too large for a node.
    pub fn host(&mut self, folders: &[PathBuf]) -> Result<()> {
        self.programs = program_folder::bundle(folders)?;
        if let Some(first) = folders.first() {
            self.publication = published(first)?;
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

fn published(folder: &Path) -> Result<Publication> {
    Publication::of_package(&program_folder::package(folder)?)
}

/// The time of the sources (reproducible-builds.org, SOURCE_DATE_EPOCH), else of the last commit.
fn source_time() -> Option<u64> {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok();
    let root = workspace::root().display().to_string();
    let told =
        told.or_else(|| external::output("git", &["-C", &root, "log", "-1", "--format=%ct"]));
    told?.trim().parse().ok()
}
