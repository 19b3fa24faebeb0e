//! `air check`: recorded interpretations against ours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Answer, Field, Request, interpret, readable_data};

/// Interprets recorded vectors again and says where the outcome differs
#[derive(Debug, Args)]
pub struct Options {
    /// Files of vectors, one JSON line each, or folders of such files
    #[arg(required = true)]
    vectors: Vec<PathBuf>,
    /// Names each vector that differs, and how
    #[arg(long)]
    verbose: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    same: usize,
    differ: usize,
    skipped: usize,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let mut total = Count::default();
    for file in files(&options.vectors)? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file:?}"))?;
        let mut count = Count::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            check(line, options.verbose, &mut count).with_context(|| format!("in {file:?}"))?;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name}: {}", count.text());
        total.same += count.same;
        total.differ += count.differ;
        total.skipped += count.skipped;
    }
    println!("total: {}", total.text());
    if total.differ > 0 {
        bail!("{} vectors differ", total.differ);
    }
    Ok(())
}

impl Count {
    fn text(self) -> String {
        format!("{} same, {} differ, {} skipped", self.same, self.differ, self.skipped)
    }
}

fn check(line: &str, verbose: bool, count: &mut Count) -> Result<()> {
    let vector: Value = serde_json::from_str(line).context("the vector is not JSON")?;
    let recorded = &vector["outcome"];
    if vector["kind"] == "parse" || recorded.get("panic").is_some() {
        count.skipped += 1;
        return Ok(());
    }
    let ours = interpret(&Request::from_json(line)?);
    let recorded_answer = Answer::from_value(recorded)?;
    let mut fields = ours.differences(&recorded_answer);
    if let Some(expected) = recorded["data_json_sha256"].as_str() {
        fields.retain(|field| *field != Field::Data);
        if readable_sha256(&ours.data)? != expected {
            fields.push(Field::Data);
        }
    }
    if fields.is_empty() {
        count.same += 1;
        return Ok(());
    }
    count.differ += 1;
    if verbose {
        println!("DIFF {}: {fields:?}", vector["id"]);
        println!("  want {} {}", recorded_answer.ret_code, recorded_answer.error_message);
        println!("  got  {} {}", ours.ret_code, ours.error_message);
    }
    Ok(())
}

fn readable_sha256(data: &[u8]) -> Result<String> {
    let text = readable_data(data)?.to_string();
    Ok(Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The files named, and those in the folders named, in order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut inside: Vec<PathBuf> = fs::read_dir(path)
                .with_context(|| format!("cannot read {path:?}"))?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_dir() || is_vectors(path))
                .collect();
            inside.sort();
            out.extend(files(&inside)?);
        } else {
            out.push(path.clone());
        }
    }
    Ok(out)
}

fn is_vectors(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jsonl")
}
