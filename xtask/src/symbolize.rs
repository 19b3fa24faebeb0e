//! `cargo xtask symbolize`: addresses of a guest's report as functions and lines.

use std::fs;
use std::io::{self, BufRead, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use addr2line::Loader;
use anyhow::{Context, Result, anyhow};
use clap::Args;
use object::{Object, ObjectSection, SectionKind};

use crate::build::{self, Image};

/// What images call the folder of this repository by: they do not depend on where it is.
const HERE: &str = "./";

/// Turns addresses into functions and lines
#[derive(Args, Debug)]
pub struct Options {
    /// Addresses in hexadecimal; without any, a report is read from standard input
    addresses: Vec<String>,
    /// The ELF with symbols [default: the one that `cargo xtask build` makes]
    #[arg(long)]
    image: Option<PathBuf>,
}

/// Prints the functions and lines of the addresses.
///
/// # Errors
/// When the image or the input cannot be read.
pub fn run(options: &Options) -> Result<()> {
    let image = match &options.image {
        Some(image) => image.clone(),
        None => build::paths(Image::Product).with_symbols,
    };
    let symbols = Symbols::load(&image)?;
    let mut out = io::stdout().lock();
    if options.addresses.is_empty() {
        for line in io::stdin().lock().lines() {
            writeln!(out, "{}", symbols.annotate(&line?))?;
        }
        return Ok(());
    }
    for text in &options.addresses {
        let digits = text.trim_start_matches("0x");
        let address = u64::from_str_radix(digits, 16)
            .with_context(|| format!("{text} is not a hexadecimal address"))?;
        writeln!(out, "{address:#018x}")?;
        let frames = symbols.frames(address);
        if frames.is_empty() {
            writeln!(out, "    not in the image")?;
        }
        for frame in frames {
            writeln!(out, "    {frame}")?;
        }
    }
    Ok(())
}

/// The symbols and line tables of one ELF file.
pub struct Symbols {
    loader: Loader,
    /// Where code is: an address elsewhere may lie at a symbol by chance.
    code: Vec<Range<u64>>,
}

impl std::fmt::Debug for Symbols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Symbols")
    }
}

impl Symbols {
    /// Reads the symbols of an ELF file.
    ///
    /// # Errors
    /// When the file cannot be read or is no ELF.
    pub fn load(image: &Path) -> Result<Self> {
        let loader = Loader::new(image)
            .map_err(|error| anyhow!("cannot read {}: {error}", image.display()))?;
        let bytes = fs::read(image)?;
        let file = object::File::parse(&*bytes)?;
        let code = file
            .sections()
            .filter(|section| section.kind() == SectionKind::Text)
            .map(|section| section.address()..section.address().saturating_add(section.size()))
            .collect();
        Ok(Self { loader, code })
    }

    /// The functions at an address, innermost first, each with its line if that is known.
    #[must_use]
    pub fn frames(&self, address: u64) -> Vec<String> {
        let mut frames = Vec::new();
        if !self.code.iter().any(|range| range.contains(&address)) {
            return frames;
        }
        if let Ok(mut iterator) = self.loader.find_frames(address) {
            while let Ok(Some(frame)) = iterator.next() {
                let Some(function) = frame.function else { continue };
                let Ok(name) = function.demangle() else { continue };
                let place = frame.location.and_then(|location| {
                    let file = location.file?;
                    let file = file.strip_prefix(HERE).unwrap_or(file);
                    Some(format!(" at {file}:{}", location.line?))
                });
                frames.push(format!("{name}{}", place.unwrap_or_default()));
            }
        }
        if frames.is_empty() {
            let symbol = self.loader.find_symbol(address);
            frames.extend(symbol.map(|name| rustc_demangle::demangle(name).to_string()));
        }
        frames
    }

    /// A line of a report, and beneath it what its addresses stand for.
    #[must_use]
    pub fn annotate(&self, line: &str) -> String {
        let mut out = line.to_owned();
        for address in addresses(line) {
            for frame in self.frames(address) {
                out += &format!("\n    {address:#x} {frame}");
            }
        }
        out
    }
}

/// Every hexadecimal number with a leading `0x` in a line.
fn addresses(line: &str) -> impl Iterator<Item = u64> {
    line.split("0x").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        u64::from_str_radix(&rest[..end], 16).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_anywhere_in_a_line() {
        let found: Vec<u64> = addresses("at 0x1f<-0x00000000002000aa, not 0xg, 12").collect();
        assert_eq!(found, [0x1f, 0x20_00aa]);
    }

    #[test]
    fn too_large_a_number_is_no_address() {
        assert_eq!(addresses("0x11112222333344445").count(), 0);
    }
}
