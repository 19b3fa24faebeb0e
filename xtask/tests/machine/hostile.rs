//! Requests and scripts that are wrong: each gets its error, and the node goes on.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::node::{Kind, MICROVM, Node, Q35};
use crate::trial;

/// At least so many of each.
const CASES: usize = 100;
/// After so many cases the node has to prove that it is well.
const CHECK_EVERY: usize = 25;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "refuses_bad_http_and_goes_on", bad_requests));
        trials.push(trial(kind, "refuses_bad_scripts_and_goes_on", bad_scripts));
    }
    trials.push(trial(MICROVM, "refuses_scripts_that_nest_without_end", deep_scripts));
    trials.push(trial(MICROVM, "refuses_a_script_that_is_too_large", large_script));
}

fn bad_requests(kind: Kind) -> Result<()> {
    let cases = lines("bad-requests.txt")?;
    ensure!(cases.len() >= CASES, "only {} cases", cases.len());
    let node = Node::boot(kind)?;
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let (expected, request) = case.split_once(' ').context("a case without a status")?;
        match refused(&node, &unescaped(request)?, expected) {
            Ok(()) => {}
            Err(error) => wrong.push(format!("{case:.200}\n    {error:#}")),
        }
        if number % CHECK_EVERY == 0 {
            node.check_alive().with_context(|| format!("after {case}"))?;
        }
    }
    node.check_alive()?;
    ensure!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

fn refused(node: &Node, request: &[u8], expected: &str) -> Result<()> {
    let mut connection = node.connect()?;
    connection.send(request)?;
    let answer = connection.receive()?;
    let status = answer.status.to_string();
    let fits = expected.split('|').any(|pattern| {
        pattern == status || (pattern.ends_with("xx") && pattern[..1] == status[..1])
    });
    ensure!(fits, "answered {status} {:?}", answer.text());
    Ok(())
}

fn bad_scripts(kind: Kind) -> Result<()> {
    let cases = lines("bad-scripts.txt")?;
    ensure!(cases.len() >= CASES, "only {} cases", cases.len());
    let node = Node::boot(kind)?;
    let mut connection = node.connect()?;
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let script = case.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
        let script = unescaped(script.with_context(|| format!("no quotes: {case}"))?)?;
        let answer = connection.request("POST", "/air", &script)?;
        let error = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let text = error.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        if answer.status != 400 || text.is_empty() {
            wrong.push(format!("{case}: answered {} {}", answer.status, answer.text()));
        }
        if answer.header("connection") == Some("close") {
            connection = node.connect()?;
        }
        if number % CHECK_EVERY == 0 {
            node.check_alive().with_context(|| format!("after {case}"))?;
        }
    }
    node.check_alive()?;
    ensure!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Nesting may be refused or executed, but not overflow the stack of the guest.
fn deep_scripts(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    for depth in [1_000, 10_000, 25_000] {
        for script in [
            "(".repeat(depth),
            format!("{}(null){}", "(seq (null) ".repeat(depth / 2), ")".repeat(depth / 2)),
            format!("{}(null){}", "(xor ".repeat(depth), " (null))".repeat(depth)),
            format!("(ap 1 x{})", "[".repeat(depth)),
        ] {
            let answer = node.air("", &script)?;
            let known = matches!(answer.status, 200 | 400 | 413 | 422 | 504);
            ensure!(known, "{:.30}… × {depth}: {} {}", script, answer.status, answer.text());
            node.check_alive()?;
        }
    }
    Ok(())
}

fn large_script(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    // The default bound, see the README's table of the configuration.
    let limit = 256 << 10;
    let call = r#"(call %init_peer_id% ("callbackSrv" "response") [1])"#;
    let at_limit = format!("{call}{}", " ".repeat(limit - call.len()));
    let answer = node.air("", &at_limit)?;
    ensure!(answer.status == 200, "at the limit: {} {}", answer.status, answer.text());
    let answer = node.air("", &format!("{at_limit} "))?;
    ensure!(answer.status == 413, "beyond the limit: {} {}", answer.status, answer.text());
    node.check_alive()
}

/// The cases of a file beside this one.
fn lines(name: &str) -> Result<Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/machine/data").join(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let cases = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(cases.map(str::to_owned).collect())
}

/// The bytes that a line stands for.
fn unescaped(text: &str) -> Result<Vec<u8>> {
    let fields: String = (0..100).map(|number| format!("F{number}: x\r\n")).collect();
    let text = text.replace("%(long)", &"a".repeat(4096)).replace("%(fields)", &fields);
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&escape, tail) = rest.split_first().context("a backslash at the end")?;
        rest = tail;
        bytes.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let (digits, tail) = rest.split_at_checked(2).context("two digits after \\x")?;
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits)?, 16)?
            }
            other => bail!("no such escape: \\{}", char::from(other)),
        });
    }
    Ok(bytes)
}
