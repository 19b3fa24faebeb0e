//! The bootable images: where they are, and how they are made when they are not.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::build;

/// Which image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// What is shipped.
    Product,
    /// The same with the command line word that makes it fail on purpose.
    FaultInjection,
}

/// Builds an image, and gives the path of the one with symbols.
///
/// # Errors
/// When cargo fails.
pub fn build(image: Image) -> Result<PathBuf> {
    Ok(build::build(image)?.with_symbols)
}

/// Builds every image that the tests need.
///
/// # Errors
/// When cargo fails.
pub fn build_all() -> Result<()> {
    build(Image::Product)?;
    build(Image::FaultInjection)?;
    Ok(())
}

/// Runs clippy over the machine half.
///
/// # Errors
/// When it finds something.
pub fn clippy() -> Result<()> {
    build::clippy()
}

/// The product with its symbols.
#[must_use]
pub fn symbols_path() -> PathBuf {
    path(Image::Product)
}

/// Where an image with its symbols lies, built or not.
#[must_use]
pub fn path(image: Image) -> PathBuf {
    build::paths(image).with_symbols
}

/// Where an image without symbols and line tables, as it is shipped, lies after a build.
///
/// # Errors
/// When it was not built.
pub fn stripped(image: Image) -> Result<PathBuf> {
    let path = build::paths(image).stripped;
    ensure!(path.is_file(), "{} was not built", path.display());
    Ok(path)
}
