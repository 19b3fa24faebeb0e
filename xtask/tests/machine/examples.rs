//! Every program of `examples/` gives the answer that lies beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Map, Value};
use xtask::workspace;

use crate::node::{Kind, MICROVM, Node, Q35};
use crate::trial;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "gives_every_examples_answer", all));
    }
}

fn all(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    let mut scripts: Vec<PathBuf> = fs::read_dir(workspace::root().join("examples"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "air"))
        .collect();
    scripts.sort();
    ensure!(!scripts.is_empty(), "there are no examples");
    for script in scripts {
        check(&node, &script).with_context(|| format!("{}", script.display()))?;
    }
    Ok(())
}

fn check(node: &Node, script: &Path) -> Result<()> {
    let expected: Value = read_json(&script.with_extension("expected.json"))?;
    let data = script.with_extension("data.json");
    let data: Map<String, Value> = if data.exists() { read_json(&data)? } else { Map::new() };
    let pairs: Vec<String> = data
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(&value.to_string())))
        .collect();
    let answer = node.air(&format!("?{}", pairs.join("&")), &fs::read_to_string(script)?)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    let answer: Value = serde_json::from_slice(&answer.body)?;
    ensure!(answer == expected, "answered {answer}, expected {expected}");
    Ok(())
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
