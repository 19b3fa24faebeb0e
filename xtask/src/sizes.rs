//! `cargo xtask sizes`: where the bytes of the image are.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use clap::Args;
use object::{Object, ObjectSection, ObjectSymbol};

use crate::build::{self, Image};

/// Shows where the bytes of the image are
#[derive(Args, Debug)]
pub struct Options {
    /// How many functions and data are named
    #[arg(long, default_value_t = 20)]
    top: usize,
}

/// Builds the image and prints its sections, its crates and its largest symbols.
///
/// # Errors
/// When the image cannot be built or read.
pub fn run(options: &Options) -> Result<()> {
    let build::ElfPaths { with_symbols: path, stripped, .. } = build::build(Image::Product)?;
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    let file = object::File::parse(&*bytes)?;

    println!("{:>10}  stripped image {}", fs::metadata(&stripped)?.len(), stripped.display());
    println!("\nsections");
    for section in file.sections().filter(|section| section.address() != 0) {
        println!("{:>10}  {}", section.size(), section.name()?);
    }
    let mut symbols: Vec<(u64, String)> = file
        .symbols()
        .filter(|symbol| symbol.size() > 0)
        .map(|symbol| {
            let name = symbol.name().unwrap_or_default();
            (symbol.size(), format!("{:#}", rustc_demangle::demangle(name)))
        })
        .collect();
    println!("\ncrates (by the names of their symbols; inlined code counts where it was inlined)");
    for (size, name) in by_crate(&symbols).into_iter().take(options.top) {
        println!("{size:>10}  {name}");
    }
    println!("\nlargest symbols");
    symbols.sort_unstable_by(|left, right| right.cmp(left));
    for (size, name) in symbols.iter().take(options.top) {
        println!("{size:>10}  {name}");
    }
    Ok(())
}

fn by_crate(symbols: &[(u64, String)]) -> Vec<(u64, String)> {
    let mut sums = BTreeMap::new();
    for (size, name) in symbols {
        *sums.entry(crate_of(name)).or_insert(0) += size;
    }
    let mut list: Vec<(u64, String)> =
        sums.into_iter().map(|(name, size)| (size, name.to_owned())).collect();
    list.sort_unstable_by(|left, right| right.cmp(left));
    list
}

/// The crate in `crate::module::function` or `<crate::Type as Trait>::function`.
fn crate_of(name: &str) -> &str {
    let name = name.trim_start_matches(['<', '&', '[', '(', '*']);
    let name = name.strip_prefix("dyn ").or(name.strip_prefix("mut ")).unwrap_or(name);
    // A primitive type has no crate: its trait's is meant.
    let name = match name.split_once(" as ") {
        Some((subject, of)) if !subject.contains("::") => of,
        _ => name,
    };
    name.split_once("::").map_or("(no crate)", |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_summed_by_crate_largest_first() {
        let symbols = [
            (1, "core::fmt::write".to_owned()),
            (5, "<air_core::Value as core::fmt::Display>::fmt".to_owned()),
            (7, "memcpy".to_owned()),
            (2, "<&air_core::X>::y".to_owned()),
            (3, "<char as core::fmt::Debug>::fmt".to_owned()),
        ];
        let sums = by_crate(&symbols);
        let named = |size, name: &str| (size, name.to_owned());
        let expected = [named(7, "air_core"), named(7, "(no crate)"), named(4, "core")];
        assert_eq!(sums, expected);
    }
}
