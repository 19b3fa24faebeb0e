//! Requests and scripts that are wrong: each gets its error, and the node goes on.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use xtask::workspace;

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
    trials.push(trial(MICROVM, "refuses_what_it_does_not_have", wrong_resources));
    trials.push(trial(MICROVM, "refuses_scripts_that_nest_without_end", deep_scripts));
    trials.push(trial(MICROVM, "refuses_a_script_that_is_too_large", large_script));
}

fn bad_requests(kind: Kind) -> Result<()> {
    let cases = cases("netstack/tests/data/bad-requests.txt")?;
    let node = Node::boot(kind)?;
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        if let Err(error) = refused(&node, case) {
            wrong.push(format!("{case:.150}\n    {error:#}"));
        }
        if number % CHECK_EVERY == 0 {
            node.check_alive().with_context(|| format!("after {case}"))?;
        }
    }
    node.check_alive()?;
    ensure!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Sends one case and nothing more: one answer, of the right status, and then the end.
fn refused(node: &Node, case: &str) -> Result<()> {
    let mut parts = case.splitn(3, ' ').skip(1);
    let (Some(status), Some(request)) = (parts.next(), parts.next()) else {
        bail!("not a case: {case}");
    };
    let mut connection = node.connect()?;
    connection.send(&unescaped(request)?)?;
    connection.finish()?;
    let answer = connection.receive()?;
    ensure!(answer.status.to_string() == status, "answered {} {}", answer.status, answer.text());
    ensure!(answer.header("connection") == Some("close"), "no `Connection: close`");
    ensure!(connection.receive().is_err(), "a second answer");
    Ok(())
}

fn wrong_resources(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    let mut connection = node.connect()?;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/health/", 404),
        ("GET", "/../health", 404),
        ("GET", "//health", 404),
        ("POST", "/nothing", 404),
        ("GET", "/air", 405),
        ("DELETE", "/air", 405),
        ("POST", "/health", 405),
        ("PUT", "/metrics", 405),
    ] {
        let answer = connection.request(method, path, b"")?;
        ensure!(answer.status == status, "{method} {path}: {} {}", answer.status, answer.text());
        if answer.header("connection") == Some("close") {
            connection = node.connect()?;
        }
    }
    node.check_alive()
}

fn bad_scripts(kind: Kind) -> Result<()> {
    let cases = cases("xtask/tests/machine/data/bad-scripts.txt")?;
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
            let known = matches!(answer.status, 200 | 204 | 400 | 413 | 422);
            ensure!(known, "{:.30}… × {depth}: {} {}", script, answer.status, answer.text());
            node.check_alive()?;
        }
    }
    Ok(())
}

fn large_script(kind: Kind) -> Result<()> {
    // A machine with less memory takes smaller scripts only.
    let node = Node::boot_with(kind, |guest| {
        guest.memory_mib = 64;
        Ok(())
    })?;
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

/// The cases of a file: its lines but for comments and empty ones.
fn cases(name: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(workspace::root().join(name)).context(name.to_owned())?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cases: Vec<String> = lines.map(str::to_owned).collect();
    ensure!(cases.len() >= CASES, "{name} has only {} cases", cases.len());
    Ok(cases)
}

/// The bytes that a line stands for; the escapes are told at the head of `bad-requests.txt`.
fn unescaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let mut characters = escaped.chars();
        let kind = characters.next().context("a backslash at the end")?;
        rest = characters.as_str();
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            '"' => bytes.push(b'"'),
            'x' => {
                let (digits, after) = rest.split_at_checked(2).context("two digits after \\x")?;
                bytes.push(u8::from_str_radix(digits, 16)?);
                rest = after;
            }
            '{' => {
                let (inner, after) = rest.split_once('}').context("a repetition without end")?;
                let (count, text) = inner.split_once(':').context("a repetition of nothing")?;
                bytes.extend(unescaped(text)?.repeat(count.parse()?));
                rest = after;
            }
            other => bail!("no such escape: {other}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}
