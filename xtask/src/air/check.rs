//! `air check`: recorded interpretations and parses against ours.

use std::fs;
use std::path::{Path, PathBuf};

use air_core::Script;
use air_core::text::tree_json;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Answer, Field, Request, interpret, readable_data};

/// Interprets and parses recorded vectors again and says where the outcome differs
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

/// What came of a vector.
enum Finding {
    Same,
    /// The reference crashed, and we do not have to.
    Skipped,
    /// How it differs.
    Differs(String),
}

fn check(line: &str, verbose: bool, count: &mut Count) -> Result<()> {
    let vector: Value = serde_json::from_str(line).context("the vector is not JSON")?;
    let finding = if vector["kind"] == "parse" {
        check_parse(&vector)?
    } else {
        check_interpretation(line, &vector["outcome"])?
    };
    match finding {
        Finding::Same => count.same += 1,
        Finding::Skipped => count.skipped += 1,
        Finding::Differs(how) => {
            count.differ += 1;
            if verbose {
                println!("DIFF {}: {how}", vector["id"]);
            }
        }
    }
    Ok(())
}

/// Verdict, text of the error (one of those that were seen), and tree.
fn check_parse(vector: &Value) -> Result<Finding> {
    let script = vector["script"].as_str().context("the vector has no script")?;
    let is_accepted = vector["ok"].as_bool().context("the vector has no verdict")?;
    let ours = Script::parse(script).map_err(|error| error.render());
    Ok(match (is_accepted, ours) {
        (true, Ok(script)) => {
            let tree: Value = serde_json::from_str(&tree_json(&script)).context("our tree")?;
            if tree == vector["ast"] {
                Finding::Same
            } else {
                Finding::Differs(format!("another tree\n  want {}\n  got  {tree}", vector["ast"]))
            }
        }
        (false, Err(text)) => {
            let one = std::slice::from_ref(&vector["error"]);
            let wanted = vector["error_variants"].as_array().map_or(one, Vec::as_slice);
            if wanted.iter().any(|wanted| *wanted == text.as_str()) {
                Finding::Same
            } else {
                Finding::Differs(format!("want {}\n  got  {text}", vector["error"]))
            }
        }
        (true, Err(text)) => Finding::Differs(format!("refused: {text}")),
        (false, Ok(_)) => Finding::Differs("accepted".to_owned()),
    })
}

fn check_interpretation(line: &str, recorded: &Value) -> Result<Finding> {
    let ours = interpret(&Request::from_json(line)?);
    if recorded.get("panic").is_some() {
        return Ok(match ours.ret_code {
            0 => Finding::Differs("the reference crashed, we succeed".to_owned()),
            _ => Finding::Skipped,
        });
    }
    let recorded_answer = Answer::from_value(recorded)?;
    let mut fields = ours.differences(&recorded_answer);
    if let Some(expected) = recorded["data_json_sha256"].as_str() {
        fields.retain(|field| *field != Field::Data);
        if readable_sha256(&ours.data)? != expected {
            fields.push(Field::Data);
        }
    }
    if fields.is_empty() {
        return Ok(Finding::Same);
    }
    Ok(Finding::Differs(format!(
        "{fields:?}\n  want {} {}\n  got  {} {}",
        recorded_answer.ret_code, recorded_answer.error_message, ours.ret_code, ours.error_message
    )))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn count(vector: &Value) -> [usize; 3] {
        let mut count = Count::default();
        check(&vector.to_string(), false, &mut count).unwrap();
        [count.same, count.differ, count.skipped]
    }

    const SAME: [usize; 3] = [1, 0, 0];
    const DIFFERS: [usize; 3] = [0, 1, 0];
    const SKIPPED: [usize; 3] = [0, 0, 1];

    #[test]
    fn parses_are_compared_by_verdict_tree_and_text() {
        let tree = |text| -> Value {
            serde_json::from_str(&tree_json(&Script::parse(text).unwrap())).unwrap()
        };
        let accepted = |ast| json!({"kind": "parse", "script": "(null)", "ok": true, "ast": ast});
        assert_eq!(count(&accepted(tree("(null)"))), SAME);
        assert_eq!(count(&accepted(tree("(never)"))), DIFFERS);
        let text = Script::parse("(nul)").unwrap_err().render();
        let refused =
            |error: &str| json!({"kind": "parse", "script": "(nul)", "ok": false, "error": error});
        assert_eq!(count(&refused(&text)), SAME);
        assert_eq!(count(&refused("another")), DIFFERS);
        let mut several = refused("another");
        several["error_variants"] = json!(["another", text]);
        assert_eq!(count(&several), SAME);
        assert_eq!(count(&json!({"kind": "parse", "script": "(null)", "ok": false})), DIFFERS);
        assert_eq!(count(&json!({"kind": "parse", "script": "(nul)", "ok": true})), DIFFERS);
    }

    #[test]
    fn a_crash_of_the_reference_is_skipped_only_where_we_give_an_error() {
        let vector = |air| json!({"input": {"air": air, "params": {"secret_key_bytes": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}}, "outcome": {"panic": "a text"}});
        assert_eq!(count(&vector("(nul)")), SKIPPED);
        assert_eq!(count(&vector("(null)")), DIFFERS);
    }
}
