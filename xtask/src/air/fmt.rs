//! `air fmt`: scripts with an instruction a line, indented.

use std::fs;
use std::path::{Path, PathBuf};

use air_core::Script;
use air_core::text::{print, tree_json};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::script_file;

/// Lays scripts out with an instruction a line, indented; comments stay
#[derive(Debug, Args)]
pub struct Options {
    /// Files that are rewritten; `-` is standard input, whose layout goes to standard output
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Changes nothing; names the files that would change, and fails if there are any
    #[arg(long)]
    check: bool,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let mut changed = 0;
    for file in &options.files {
        let text = script_file::read(file)?;
        let laid_out = lay_out(&text).with_context(|| file.display().to_string())?;
        if file == Path::new("-") && !options.check {
            print!("{laid_out}");
        } else if laid_out != text {
            changed += 1;
            println!("{}", file.display());
            if !options.check {
                fs::write(file, laid_out)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
    }
    if options.check && changed > 0 {
        bail!("{changed} of {} scripts are laid out differently", options.files.len());
    }
    Ok(())
}

fn lay_out(text: &str) -> Result<String> {
    let parse = |text: &str| {
        Script::parse(text).map_err(|error| anyhow::anyhow!("{}", error.render().trim_end()))
    };
    let script = parse(text)?;
    let laid_out = print(&script);
    // Nobody's work is overwritten with something else.
    let again = parse(&laid_out).context("the new layout is no script: nothing was written")?;
    ensure!(
        without_places(&tree_json(&script)) == without_places(&tree_json(&again)),
        "the new layout is another script: nothing was written"
    );
    Ok(laid_out)
}

/// A tree in JSON without positions and spans: those fields hold a number, or two.
fn without_places(tree: &str) -> String {
    let places = ["\"position\":", "\"span\":", "\"right\":"];
    let keep = |piece: &str| match places.iter().any(|place| piece.starts_with(place)) {
        // What closes after the number belongs to the tree.
        true => piece.trim_start_matches(|c| c != '}').to_owned(),
        false => piece.to_owned(),
    };
    tree.split(',').map(keep).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn layout_keeps_tree_and_comments() {
        let text = "(seq ; why\n (null) (call \"a,b\" (\"s\" \"f\") [x.$.a! 1.0]))";
        let error = lay_out(text).unwrap_err();
        assert!(error.to_string().contains("x"), "{error}");
        let text = "(seq ; why\n (ap 1 x) (call \"a,b\" (\"s\" \"f\") [x.$.a! 1.0]))";
        let expected = "(seq ; why\n  (ap 1 x)\n  (call \"a,b\" (\"s\" \"f\") [x.$.a 1.0]))\n";
        assert_eq!(lay_out(text).unwrap(), expected);
        assert_eq!(lay_out(expected).unwrap(), expected);
    }

    #[test]
    fn the_examples_are_laid_out() {
        let mut examples = 0;
        for entry in fs::read_dir(workspace::root().join("examples")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "air") {
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(lay_out(&text).unwrap(), text, "{}", path.display());
                examples += 1;
            }
        }
        assert!(examples >= 10, "{examples}");
    }

    #[test]
    fn only_places_are_left_out_of_a_comparison() {
        let tree = |text| without_places(&tree_json(&Script::parse(text).unwrap()));
        assert_eq!(tree("(ap 1 x)"), tree("(ap  1   x)"));
        assert_ne!(tree("(ap 1 x)"), tree("(ap 2 x)"));
        assert_ne!(tree("(ap 1 x)"), tree("(ap 1 y)"));
    }
}
