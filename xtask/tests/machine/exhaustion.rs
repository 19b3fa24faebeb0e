//! Scripts made to use up the memory of a machine that has little.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use xtask::http::{Connection, Response};

use crate::node::{Kind, MICROVM, Node, Q35};
use crate::trial;

const MEMORY_MIB: u32 = 16;
/// Clients that send such a script at the same time.
const CLIENTS: usize = 4;
/// Time for the memory to come back, which waits for the scripts' deadline at most.
const RECOVERY: Duration = Duration::from_secs(15);
/// The part of the heap that may be in use after it all: kept scripts, sockets.
const REST_PERCENT: f64 = 20.0;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "survives_scripts_that_want_all_memory_in_16_mib", survives));
    }
}

fn survives(kind: Kind) -> Result<()> {
    let node = Node::boot_with(kind, |guest| {
        guest.memory_mib = MEMORY_MIB;
        Ok(())
    })?;
    for (name, script) in scripts() {
        ensure!(script.len() < 100 << 10, "{name} has {} bytes: too large to be run", script.len());
        let answers = at_once(&node, &script).with_context(|| name.to_owned())?;
        for answer in answers {
            let known = matches!(answer.status, 200 | 204 | 400 | 422 | 503 | 504);
            ensure!(known, "{name}: {} {}", answer.status, answer.text());
        }
        node.check_alive().with_context(|| name.to_owned())?;
    }
    let end = Instant::now() + RECOVERY;
    while used_percent(&node)? > REST_PERCENT {
        ensure!(Instant::now() < end, "{} % of the heap stays in use", used_percent(&node)?);
        thread::sleep(Duration::from_millis(500));
    }
    let answer = node.air("", &respond("1"))?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

/// Several clients send the script at the same time.
fn at_once(node: &Node, script: &str) -> Result<Vec<Response>> {
    let connections = node.connections(CLIENTS)?;
    thread::scope(|scope| {
        let send = |mut connection: Connection| {
            scope.spawn(move || connection.request("POST", "/air", script.as_bytes()))
        };
        let clients: Vec<_> = connections.into_iter().map(send).collect();
        let joined = clients.into_iter().map(|client| client.join());
        joined.map(|answer| answer.map_err(|_| anyhow!("a client's thread panicked"))?).collect()
    })
}

fn used_percent(node: &Node) -> Result<f64> {
    Ok(100.0 * node.metric("aerolith_heap_used_bytes")?
        / node.metric("aerolith_heap_size_bytes")?)
}

fn call(service: &str, function: &str, arguments: &str, output: &str) -> String {
    format!("(call %init_peer_id% (\"{service}\" \"{function}\") [{arguments}] {output})")
}

fn respond(value: &str) -> String {
    call("callbackSrv", "response", value, "")
}

fn in_sequence(parts: &[String]) -> String {
    let Some((last, before)) = parts.split_last() else { return "(null)".into() };
    before.iter().rev().fold(last.clone(), |rest, part| format!("(seq {part} {rest})"))
}

/// Canons of which each holds the one before twice: `#c0` to `#c{levels}`.
fn doubled(levels: usize) -> String {
    let level = |level: usize| {
        let add = match level.checked_sub(1) {
            None => "(ap \"0123456789\" $s0)".to_owned(),
            Some(before) => format!("(seq (ap #c{before} $s{level}) (ap #c{before} $s{level}))"),
        };
        format!("(seq {add} (canon %init_peer_id% $s{level} #c{level}))")
    };
    in_sequence(&(0..=levels).map(level).collect::<Vec<_>>())
}

/// Each ended a guest with 16 MiB once, or is near to one that did.
fn scripts() -> Vec<(&'static str, String)> {
    let ones = |count| "1 ".repeat(count);
    let list = call("op", "array", &ones(500), "list");
    let open = 500;
    let nested = format!("{}(next i){}", "(xor ".repeat(open), " (null))".repeat(open));
    let empties = format!("[{}[]]", "[],".repeat(9_000));
    let text = "x".repeat(10_000);
    vec![
        ("doubled values", in_sequence(&[doubled(30), respond("1")])),
        (
            "copies of an error that quotes a large value",
            in_sequence(&[
                doubled(12),
                list.clone(),
                "(xor (seq (ap #c12 x) (ap x.$.field y))
                      (fold list i (seq (ap :error: $copies) (next i))))"
                    .to_owned(),
            ]),
        ),
        ("open instructions", in_sequence(&[list.clone(), format!("(fold list i {nested})")])),
        (
            "empty arrays",
            in_sequence(&[
                call("json", "parse", &format!("\"{empties}\""), "a"),
                call("op", "concat", "a a", "b"),
                call("op", "concat", "b b", "c"),
                respond("1"),
            ]),
        ),
        ("a tree of tiny arguments", format!("(call \"p\" (\"s\" \"f\") [{}])", ones(45_000))),
        (
            "many large results",
            in_sequence(&[
                call("op", "concat_strings", &format!("\"{text}\" \"{text}\" \"{text}\""), "t"),
                list.clone(),
                format!("(fold list i (par {} (next i)))", call("op", "identity", "t", "$r")),
                respond("1"),
            ]),
        ),
        (
            "many waiting calls",
            in_sequence(&[
                list,
                format!(
                    "(fold list i (par {} (next i)))",
                    call("peer", "timeout", "2000 list", "$r")
                ),
            ]),
        ),
    ]
}
