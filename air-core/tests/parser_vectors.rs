//! The parser against recordings of the reference: verdicts, error texts, trees.

#[path = "support/mod.rs"]
#[allow(dead_code, reason = "what is not for scripts is for the other test programs")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use air_core::Script;
use air_core::text::{print, tree_json};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// What is checked of each file of a kind: the folder, the extension, the check.
type Group = (&'static str, &'static str, fn(&Path) -> Result<(), Failed>);

const GROUPS: [Group; 5] = [
    ("air/parse", "jsonl", verdicts_are_those_of_the_reference),
    ("air/signed", "jsonl", scripts_parse_unless_recorded_otherwise),
    ("air/unsigned", "jsonl", scripts_parse_unless_recorded_otherwise),
    ("air-bench", "jsonl", scripts_parse_unless_recorded_otherwise),
    ("aqua-air", "air", compiled_scripts_parse_and_print_to_the_same_tree),
];

fn main() {
    let arguments = Arguments::from_args();
    let trials = GROUPS.into_iter().flat_map(trials).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// A trial for each file; where there are no recordings, one that shows as ignored.
fn trials((folder, extension, check): Group) -> Vec<Trial> {
    let files = match support::shared_directory() {
        Some(shared) => files(&shared.join("vectors").join(folder), extension),
        None => Vec::new(),
    };
    if files.is_empty() {
        let absent = || Err(Failed::from("the recordings are not there"));
        return vec![Trial::test(format!("parser::{folder}"), absent).with_ignored_flag(true)];
    }
    let trial = |path: PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(format!("parser::{folder}::{stem}"), move || check(&path))
    };
    files.into_iter().map(trial).collect()
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn json_lines(path: &Path) -> Result<Vec<Value>, Failed> {
    let text = fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(Failed::from)).collect()
}

fn verdicts_are_those_of_the_reference(path: &Path) -> Result<(), Failed> {
    for vector in json_lines(path)? {
        let (id, text) = (&vector["id"], vector["script"].as_str().ok_or("no script")?);
        match Script::parse(text) {
            Ok(script) => {
                if vector["ok"] != true {
                    return Err(
                        format!("{id}: accepted, the reference says {}", vector["error"]).into()
                    );
                }
                let tree: Value = serde_json::from_str(&tree_json(&script))?;
                if tree != vector["ast"] {
                    return Err(format!("{id}: other tree\n{tree}\n{}", vector["ast"]).into());
                }
                prints_to_the_same_tree(&script)?;
            }
            Err(error) => {
                let ours = Value::from(error.render());
                let variants = vector["error_variants"].as_array();
                let is_known =
                    ours == vector["error"] || variants.is_some_and(|v| v.contains(&ours));
                if !is_known {
                    return Err(
                        format!("{id}\n{}\n{ours}\n{}", error.render(), vector["error"]).into()
                    );
                }
            }
        }
    }
    Ok(())
}

fn scripts_parse_unless_recorded_otherwise(path: &Path) -> Result<(), Failed> {
    for vector in json_lines(path)? {
        let text = vector["input"]["air"].as_str().ok_or("no script")?;
        let outcome = &vector["outcome"];
        let result = Script::parse(text);
        // The other preparation errors come before the script is looked at.
        let code = outcome["ret_code"].as_i64().unwrap_or(0);
        if (2..10_000).contains(&code) && result.is_err() {
            continue;
        }
        if code != 1 {
            let script = result.map_err(|error| format!("{}\n{}", vector["id"], error.render()))?;
            prints_to_the_same_tree(&script)?;
            continue;
        }
        let error = result.err().ok_or_else(|| format!("{}: accepted", vector["id"]))?;
        let message = format!("air can't be parsed:\n{}", error.render());
        if outcome["error_message"] != message.as_str() {
            return Err(format!("{}\n{message}\n{}", vector["id"], outcome["error_message"]).into());
        }
    }
    Ok(())
}

fn compiled_scripts_parse_and_print_to_the_same_tree(path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let script = Script::parse(&text).map_err(|error| error.render())?;
    prints_to_the_same_tree(&script)
}

fn prints_to_the_same_tree(script: &Script) -> Result<(), Failed> {
    let printed = print(script);
    let again =
        Script::parse(&printed).map_err(|error| format!("{printed}\n{}", error.render()))?;
    if without_places(&tree_json(script)) != without_places(&tree_json(&again)) {
        return Err(format!("other tree after printing\n{printed}").into());
    }
    Ok(())
}

/// A tree in JSON without positions and spans. (A textual cut: deep trees are beyond JSON readers.)
fn without_places(tree: &str) -> String {
    let places = ["\"position\":", "\"span\":", "\"right\":"];
    let mut out = String::new();
    for piece in tree.split(',') {
        let is_place = places.iter().any(|place| piece.starts_with(place));
        // What closes after the number belongs to the tree.
        out.push_str(if is_place { piece.trim_start_matches(|c| c != '}') } else { piece });
        out.push(',');
    }
    out
}
