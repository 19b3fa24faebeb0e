//! `fuzz air`: random scripts on random networks, our interpreter and the reference at each step.

mod dice;
mod known;
mod reference;
mod scenario;
mod script;
mod service;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use air_core::data::KeyPair;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use self::dice::Dice;
use self::reference::{Reference, Verdict};
use self::scenario::{Difference, Peer, Scenario};
use crate::air::Field;
use crate::workspace;

/// Peers of a network at most.
const MAX_PEERS: usize = 6;

/// Compares our interpreter with the reference on random scripts and networks
#[derive(Debug, Args)]
pub struct Options {
    /// How long to search
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of the first scenario; each further one takes the next number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Scenarios at most
    #[arg(long)]
    scenarios: Option<u64>,
    /// Processes side by side
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Goes on after a difference, and counts
    #[arg(long)]
    keep_going: bool,
}

/// What all workers have seen.
#[derive(Debug, Default)]
struct Tally {
    scenarios: usize,
    compared: usize,
    crashes: usize,
    codes: BTreeMap<i64, usize>,
    known: BTreeMap<&'static str, usize>,
    differences: BTreeMap<String, usize>,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let folder = crate::reference::prepare()?;
    let next_seed = Arc::new(AtomicU64::new(options.seed));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let until = Instant::now() + Duration::from_secs(options.seconds);
    let last = options.scenarios.map_or(u64::MAX, |n| options.seed.saturating_add(n));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.workers.max(1))
            .map(|_| scope.spawn(|| work(&folder, &next_seed, last, until, options, &tally)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| bail!("a worker panicked: our interpreter did"))
        })
    })?;
    let tally = tally.lock().map_err(|_| anyhow::anyhow!("a worker died"))?;
    report(&tally);
    if tally.differences.is_empty() {
        return Ok(());
    }
    bail!("our interpreter and the reference differ: see {}", found().display())
}

fn work(
    folder: &Path,
    next_seed: &AtomicU64,
    last: u64,
    until: Instant,
    options: &Options,
    tally: &Mutex<Tally>,
) -> Result<()> {
    let start = || {
        let mut command = Command::new("node");
        command.arg("oracle.mjs").arg("run").current_dir(folder);
        Reference::start(command)
    };
    let mut reference = start()?;
    while Instant::now() < until {
        let seed = next_seed.fetch_add(1, Ordering::Relaxed);
        if seed >= last {
            break;
        }
        let scenario = random_scenario(seed);
        let course = scenario.run(&mut reference)?;
        let cause = course.difference.as_deref().and_then(|d| known_cause(&scenario, d));
        let mut stop = false;
        if let Some(difference) = course.difference.as_ref().filter(|_| cause.is_none()) {
            let small = scenario.shrink(&mut reference, &difference.fields)?;
            let parted = small.run(&mut reference)?.difference;
            save(seed, &small, parted.as_deref().unwrap_or(difference))?;
            stop = !options.keep_going;
        }
        let mut tally = tally.lock().map_err(|_| anyhow::anyhow!("another worker died"))?;
        tally.scenarios += 1;
        tally.compared += course.compared;
        tally.crashes += usize::from(course.crashed);
        for (code, n) in course.codes {
            *tally.codes.entry(code).or_default() += n;
        }
        if let Some(cause) = cause {
            *tally.known.entry(cause).or_default() += 1;
        } else if let Some(difference) = course.difference {
            *tally.differences.entry(class(&difference)).or_default() += 1;
        }
        drop(tally);
        if stop {
            next_seed.store(last, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// A network of 1 to [`MAX_PEERS`] peers with a script; in half of the networks half of the peers are
/// the reference.
fn random_scenario(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed);
    let mixed = dice.chance(50);
    let count = 1 + dice.below(MAX_PEERS);
    let peers: Vec<Peer> = (0..count)
        .map(|index| {
            let secret = [u8::try_from(index + 1).unwrap_or(u8::MAX); 32];
            let id = KeyPair::from_secret(&secret).peer_id();
            Peer { id, secret, is_reference: mixed && index % 2 == 1 }
        })
        .collect();
    let ids: Vec<String> = peers.iter().map(|peer| peer.id.clone()).collect();
    let script = script::generate(&mut dice, &ids);
    Scenario { seed, script, peers }
}

fn known_cause(scenario: &Scenario, difference: &Difference) -> Option<&'static str> {
    match &difference.reference {
        Verdict::Answer(answer) => known::cause(&scenario.script, difference, answer.ret_code),
        Verdict::Crash(_) => None,
    }
}

/// A word for the kind of a difference, to count by.
fn class(difference: &Difference) -> String {
    let reference = match &difference.reference {
        Verdict::Answer(answer) => answer.ret_code.to_string(),
        Verdict::Crash(_) => "crash".into(),
    };
    format!("{:?} ours {} reference {reference}", difference.fields, difference.ours.ret_code)
}

/// Writes the difference as a vector, with the seed and the shrunk script to begin with.
fn save(seed: u64, scenario: &Scenario, difference: &Difference) -> Result<()> {
    let (outcome, text) = match &difference.reference {
        Verdict::Answer(answer) => (serde_json::from_str(&answer.to_json(true))?, String::new()),
        Verdict::Crash(text) => (json!({ "panic": text }), text.clone()),
    };
    let input: Value = serde_json::from_str(&difference.request.to_json())?;
    let ours: Value = serde_json::from_str(&difference.ours.to_json(true))?;
    let fields: Vec<String> = difference.fields.iter().map(|f: &Field| format!("{f:?}")).collect();
    let vector = json!({
        "id": format!("fuzz#{seed}"), "kind": "invoke", "signatures": true,
        "differs": fields, "input": input, "outcome": outcome, "ours": ours,
    });
    fs::create_dir_all(found())?;
    let file = found().join(format!("{seed}.jsonl"));
    fs::write(&file, format!("{vector}\n")).with_context(|| format!("cannot write {file:?}"))?;
    println!("seed {seed}: {} {text}\n  {}", class(difference), scenario.script);
    Ok(())
}

fn found() -> std::path::PathBuf {
    workspace::target().join("fuzz/air")
}

fn report(tally: &Tally) {
    println!(
        "{} scenarios, {} compared interpretations, {} crashes of the reference, \
         {} differences with a known cause, {} without",
        tally.scenarios,
        tally.compared,
        tally.crashes,
        tally.known.values().sum::<usize>(),
        tally.differences.values().sum::<usize>(),
    );
    println!("outcomes by code: {:?}", tally.codes);
    for (cause, count) in &tally.known {
        println!("  known: {count} x {cause}");
    }
    for (class, count) in &tally.differences {
        println!("  {count} x {class}");
    }
}
