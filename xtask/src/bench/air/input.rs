//! The inputs: vectors written out as folders that both programs read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::air::{CallAnswer, Request, decode_requests, encode_call_results, interpret};
use crate::workspace;

/// An input of both interpreters.
#[derive(Debug)]
pub struct Input {
    pub name: String,
    pub folder: PathBuf,
    /// A step for a host that keeps the particle: nothing is new but the answer to one call.
    pub is_live: bool,
}

/// Writes out the vectors of the files and folders.
pub fn prepare(vectors: &[PathBuf]) -> Result<Vec<Input>> {
    let folder = workspace::target().join("bench-air");
    let mut inputs = Vec::new();
    for file in files(vectors)? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file:?}"))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        for (number, line) in lines.iter().enumerate() {
            let name = if lines.len() == 1 { stem.to_string() } else { format!("{stem}-{number}") };
            let request = Request::from_json(line).with_context(|| name.clone())?;
            let live = next_live_step(&request)?;
            inputs.push(write(&folder, name.clone(), &request, false)?);
            if let Some(live) = live {
                inputs.push(write(&folder, name + " live", &live, true)?);
            }
        }
    }
    ensure!(!inputs.is_empty(), "there are no vectors");
    Ok(inputs)
}

/// The step that follows once the first requested call has been answered, if there is one.
fn next_live_step(request: &Request) -> Result<Option<Request>> {
    let outcome = interpret(request);
    let requests = decode_requests(&outcome.call_requests)?;
    let Some(first) = requests.first() else { return Ok(None) };
    let answer = CallAnswer { ret_code: 0, result: "\"an answer\"".to_owned() };
    let answers = BTreeMap::from([(first.id.to_string(), answer)]);
    Ok(Some(Request {
        prev_data: outcome.data,
        data: Vec::new(),
        call_results: encode_call_results(&answers)?,
        ..request.clone()
    }))
}

fn write(parent: &Path, name: String, request: &Request, is_live: bool) -> Result<Input> {
    let folder = parent.join(name.replace(' ', "-"));
    fs::create_dir_all(&folder)?;
    let p = &request.parameters;
    let secret: String = p.secret_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let parameters = [
        &*p.init_peer_id,
        &p.current_peer_id,
        &p.particle_id,
        &p.timestamp.to_string(),
        &p.ttl.to_string(),
        &secret,
    ];
    ensure!(parameters.iter().all(|line| !line.contains('\n')), "{name}: a parameter of two lines");
    let parameters = parameters.join("\n");
    for (file, bytes) in [
        ("script", request.air.as_bytes()),
        ("previous", &request.prev_data),
        ("current", &request.data),
        ("results", &request.call_results),
        ("parameters", parameters.as_bytes()),
    ] {
        fs::write(folder.join(file), bytes)?;
    }
    Ok(Input { name, folder, is_live })
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let shared = || {
        let shared = std::env::var_os("AEROLITH_SHARED");
        let shared = shared.map_or_else(|| workspace::root().join("../shared"), PathBuf::from);
        vec![shared.join("vectors/air-bench")]
    };
    let paths = if paths.is_empty() { shared() } else { paths.to_vec() };
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "jsonl") {
                    files.push(path);
                }
            }
        } else {
            ensure!(path.exists(), "there is no {}", path.display());
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_step_brings_the_answer_to_the_first_request() {
        let line = r#"{"air":"(seq (call \"p\" (\"s\" \"f\") [] x) (call \"p\" (\"s\" \"g\") [x] y))","params":{"current_peer_id":"p","secret_key_bytes":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}}"#;
        let live = next_live_step(&Request::from_json(line).unwrap()).unwrap().unwrap();
        let outcome = interpret(&live);
        assert_eq!(outcome.ret_code, 0);
        let requests = decode_requests(&outcome.call_requests).unwrap();
        assert_eq!(&*requests[0].function_name, "g");
        let nothing = line.replace("\"current_peer_id\":\"p\"", "\"current_peer_id\":\"q\"");
        assert!(next_live_step(&Request::from_json(&nothing).unwrap()).unwrap().is_none());
    }
}
