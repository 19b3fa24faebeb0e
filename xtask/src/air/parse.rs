//! `air parse`: whether a text is a script, and if not, where and why.

use std::path::PathBuf;

use air_core::Script;
use anyhow::{Result, bail};
use clap::Args;

use super::script_file;

/// Says whether scripts are accepted, and if not, what is wrong with them
#[derive(Debug, Args)]
pub struct Options {
    /// Files with one script each; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Prints the tree as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let mut refused = 0;
    for file in &options.files {
        match Script::parse(&script_file::read(file)?) {
            Ok(script) if options.json => println!("{}", air_core::text::tree_json(&script)),
            Ok(script) => println!("{}: {}", file.display(), summary(&script)),
            Err(error) => {
                refused += 1;
                eprintln!("{}: refused\n{}", file.display(), error.render().trim_end());
            }
        }
    }
    if refused > 0 {
        bail!("{refused} of {} scripts are refused", options.files.len());
    }
    Ok(())
}

fn summary(script: &Script) -> String {
    let count = script.nodes().len();
    let variables = script.name_count();
    format!("accepted, {count} instructions, {variables} variables")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_instructions_and_variables() {
        let script = Script::parse("(seq (ap 1 x) (ap x $s))").unwrap();
        assert_eq!(summary(&script), "accepted, 3 instructions, 2 variables");
    }
}
