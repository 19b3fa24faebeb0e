//! Many requests at once, requests in pieces, and a node that sleeps when nobody asks.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use xtask::http::Connection;

use crate::node::{Kind, MICROVM, Node, Q35};
use crate::trial;

const CONNECTIONS: usize = 20;
const REQUESTS_EACH: usize = 10;
/// An idle node may use this much of three seconds; polling would use all of them.
const IDLE_BUDGET: Duration = Duration::from_millis(450);
const IDLE_TIME: Duration = Duration::from_secs(3);

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "answers_200_requests_over_20_connections", many_requests));
        trials.push(trial(kind, "uses_no_processor_while_idle", sleeps_while_idle));
    }
    trials.push(trial(MICROVM, "answers_pipelined_requests_in_order", pipelined));
    trials.push(trial(MICROVM, "takes_a_script_in_chunks", chunked));
    trials.push(trial(MICROVM, "survives_connections_that_are_dropped", dropped_connections));
}

fn many_requests(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    let connections = node.connections(CONNECTIONS)?;
    let outcome = thread::scope(|scope| {
        let workers: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(worker, connection)| scope.spawn(move || one_connection(connection, worker)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| anyhow!("a connection's thread panicked"))?
        })
    });
    outcome.with_context(|| node.vm.report())?;
    node.check_alive()
}

fn one_connection(mut connection: Connection, worker: usize) -> Result<()> {
    for request in 0..REQUESTS_EACH {
        let number = worker * 1000 + request;
        let script = format!(
            r#"(seq (call %init_peer_id% ("math" "add") [{number} 1] x)
                (call %init_peer_id% ("callbackSrv" "response") [x]))"#
        );
        let answer = connection
            .request("POST", "/air", script.as_bytes())
            .with_context(|| format!("connection {worker}, request {request}"))?;
        let expected = (number + 1).to_string();
        ensure!(answer.status == 200 && answer.text().trim() == expected, "{answer:?}");
    }
    Ok(())
}

fn sleeps_while_idle(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    node.check_alive()?;
    thread::sleep(Duration::from_secs(1));
    let before = node.vm.cpu_time()?;
    thread::sleep(IDLE_TIME);
    let used = node.vm.cpu_time()?.saturating_sub(before);
    ensure!(used < IDLE_BUDGET, "{used:?} of processor time in {IDLE_TIME:?} of idleness");
    node.check_alive()
}

fn pipelined(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    let mut connection = node.connect()?;
    let mut bytes = Vec::new();
    for number in 0..10 {
        let script = format!(r#"(call %init_peer_id% ("callbackSrv" "response") [{number}])"#);
        let head =
            format!("POST /air HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", script.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(script.as_bytes());
    }
    connection.send(&bytes)?;
    for number in 0..10 {
        let answer = connection.receive()?;
        ensure!(answer.status == 200 && answer.text().trim() == number.to_string(), "{answer:?}");
    }
    Ok(())
}

fn chunked(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    let mut connection = node.connect()?;
    connection.send(b"POST /air HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for part in [r"(call %init_peer", r#"_id% ("callbackSrv" "resp"#, r#"onse") [7])"#] {
        connection.send(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes())?;
        thread::sleep(Duration::from_millis(50));
    }
    connection.send(b"0\r\n\r\n")?;
    let answer = connection.receive()?;
    ensure!(answer.status == 200 && answer.text().trim() == "7", "{answer:?}");
    Ok(())
}

fn dropped_connections(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    for round in 0..100 {
        let mut connection = node.connect()?;
        match round % 4 {
            0 => {}
            1 => connection.send(b"POST /air HTTP/1.1\r\nHost: x\r\nContent-Le")?,
            2 => {
                connection.send(b"POST /air HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n(")?;
            }
            _ => connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")?,
        }
    }
    node.check_alive()
}
