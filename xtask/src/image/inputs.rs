//! What the artefacts are made of.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::aleph::{Author, Code};
use super::{BootCode, Options};
use crate::node_config::NodeConfig;
use crate::{external, workspace};

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
    inputs.volume_mib = options.volume;
    Ok(inputs)
}

/// The first example, as code in one file.
fn hello() -> Result<Code> {
    let file = workspace::root().join("examples/hello.air");
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    Ok(Code { encoding: "plain", entrypoint: "main".to_owned(), bytes })
}

/// The time of the sources (reproducible-builds.org, SOURCE_DATE_EPOCH), else of the last commit.
fn source_time() -> Option<u64> {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok();
    let root = workspace::root().display().to_string();
    let told =
        told.or_else(|| external::output("git", &["-C", &root, "log", "-1", "--format=%ct"]));
    told?.trim().parse().ok()
}
