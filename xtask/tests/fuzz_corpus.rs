//! The inputs in `xtask/fuzz/corpus`, each tried once: what `cargo xtask fuzz` found worth keeping.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "that is how a target says that an input is wrong, and its numbers are small"
)]

#[allow(dead_code, reason = "memory is bounded where one input runs at a time: in the fuzzer")]
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, Subcommand};
use libtest_mimic::{Arguments, Trial};
use targets::TARGETS;
use xtask::fuzz::guided;

/// Bytes that one input may have, so that the corpus stays small.
const MAX_INPUT_BYTES: usize = 4096;

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut trials: Vec<Trial> = TARGETS
        .iter()
        .map(|target| {
            let (folder, run) = (corpus.join(target.name), target.run);
            Trial::test(format!("corpus::{}", target.name), move || {
                let inputs = inputs(&folder);
                assert!(!inputs.is_empty(), "no corpus in {}", folder.display());
                for input in inputs {
                    let bytes = fs::read(&input)?;
                    let tried = Tried(input);
                    assert!(bytes.len() <= MAX_INPUT_BYTES);
                    run(&bytes);
                    drop(tried);
                }
                Ok(())
            })
        })
        .collect();
    trials.push(Trial::test("targets_folders_and_words_are_the_same", move || {
        let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
        let folders: BTreeSet<_> = inputs(&corpus)
            .iter()
            .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
            .collect();
        assert_eq!(folders, names);
        let words = guided::Target::augment_subcommands(Command::new("fuzz"));
        let words: BTreeSet<_> =
            words.get_subcommands().map(|word| word.get_name().to_owned()).collect();
        assert_eq!(words, names);
        Ok(())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Names the input when it fails.
struct Tried(PathBuf);

impl Drop for Tried {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is {}", self.0.display());
        }
    }
}

/// What a folder contains, in order.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.sort();
    found
}
