//! The host build answers over HTTP as the unikernel does.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use xtask::http::Connection;
use xtask::workspace;

use crate::{node, trial};

pub fn add(trials: &mut Vec<Trial>) {
    trials.push(trial("a_node_on_this_machine_answers_scripts", answers_scripts));
    trials.push(trial("a_node_on_this_machine_takes_its_configuration", takes_configuration));
    trials.push(trial("many_connections_are_served_and_let_go", many_connections));
}

fn answers_scripts() -> Result<()> {
    let node = node("")?;
    let script = fs::read(workspace::root().join("examples/hello.air"))?;
    let answer = node.request("POST", "/air?name=world", &script)?;
    ensure!(answer.text() == "\"Hello, world!\"", "{} {}", answer.status, answer.text());
    let metrics = node.get("/metrics")?.text();
    ensure!(metrics.contains("aerolith_tcp_accepted_total 2\n"), "{metrics}");
    node.interrupt()
}

fn takes_configuration() -> Result<()> {
    let seed = "01".repeat(32);
    let node = node(&format!("log = \"debug\"\n[identity]\nseed = \"{seed}\"\n"))?;
    let health: Value = serde_json::from_slice(&node.get("/health")?.body)?;
    // The ed25519 key of that seed.
    let expected = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
    ensure!(health["peer_id"] == expected, "{health}");
    node.interrupt()
}

fn many_connections() -> Result<()> {
    let node = node("[http]\nmax_connections = 100\n")?;
    let limit = Duration::from_secs(20);
    let mut connections = (0..100)
        .map(|_| Connection::open(&node.url()?.authority, limit))
        .collect::<Result<Vec<_>>>()?;
    for connection in &mut connections {
        ensure!(connection.request("GET", "/health", b"")?.status == 200);
    }
    drop(connections);
    // The ends of a hundred connections are noticed one after the other.
    let end = Instant::now() + limit;
    while node.get("/health")?.status != 200 {
        ensure!(Instant::now() < end, "no room although all connections are closed");
    }
    node.interrupt()
}
