//! Interpretations against recordings of the reference: code, message, flags, next peers as a set, call
//! requests decoded, data decoded.
//!
//! `exceptions.txt` names the recordings that are not reproduced, each with its reason.

#[path = "support/recording.rs"]
mod recording;
#[path = "support/mod.rs"]
#[allow(dead_code, reason = "each test program uses its part of the support")]
mod support;

use std::fs;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use recording::{Input, compare_with_case, compare_with_vector};
use serde_json::Value as Json;
use support::{exception, files, member, shared_directory, stem, text};

/// Longest piece of a difference that is printed.
const MAX_SHOWN: usize = 3000;

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let Some(shared) = shared_directory() else {
        let absent = || Err(Failed::from("the recordings are not there"));
        return vec![Trial::test("recorded_interpretations", absent).with_ignored_flag(true)];
    };
    let mut trials = Vec::new();
    for part in ["air/signed", "air/unsigned", "air-bench"] {
        for file in files(&shared.join("vectors").join(part), "jsonl") {
            let name = format!("{}::{}", part.replace('/', "::"), stem(&file));
            trials.push(Trial::test(name, move || check_file(&file)));
        }
    }
    let cases = shared.join("spec/examples/air-data-vectors.json");
    trials.push(Trial::test("specification_cases", move || check_cases(&cases)));
    trials
}

fn check_file(file: &Path) -> Result<(), Failed> {
    let lines = fs::read_to_string(file)?;
    let vectors: Result<Vec<Json>, _> = lines.lines().map(serde_json::from_str).collect();
    report(vectors?.iter().map(|vector| {
        let outcome = Input::of_vector(vector)
            .and_then(|input| compare_with_vector(&input.run(), member(vector, "outcome")?));
        (text(vector, "id").unwrap_or_default().to_owned(), outcome)
    }))
}

fn check_cases(file: &Path) -> Result<(), Failed> {
    let json: Json = serde_json::from_str(&fs::read_to_string(file)?)?;
    let cases = json.get("cases").and_then(Json::as_array).ok_or("no list of cases")?;
    report(cases.iter().map(|case| {
        let outcome = Input::of_case(case).and_then(|input| {
            compare_with_case(&input.run(), member(case, "expected")?, input.previous())
        });
        (text(case, "name").unwrap_or_default().to_owned(), outcome)
    }))
}

/// Fails with all the differences that are not known exceptions, and with exceptions that are none.
fn report(results: impl Iterator<Item = (String, Result<(), String>)>) -> Result<(), Failed> {
    let mut failures = Vec::new();
    for (id, result) in results {
        match (result, exception(&id)) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(_)) => failures.push(format!("{id}: no exception is needed")),
            (Err(difference), None) => {
                let shown: String = difference.chars().take(MAX_SHOWN).collect();
                failures.push(format!("{id}: {shown}"));
            }
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!("{} differ\n{}", failures.len(), failures.join("\n")).into())
    }
}
