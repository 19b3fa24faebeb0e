//! Clients against nodes in QEMU: the published one with every check, and our own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use xtask::boot_log;
use xtask::cutter::Cutter;
use xtask::run::DEFAULT_MEMORY;
use xtask::stock_client::{Job, StockClient};

use crate::node::{Kind, MICROVM, Node, Q35};
use crate::pair::Pair;
use crate::{send, soak, trial};

/// Ten times what the checks take on an idle machine under emulation.
const LIMIT: Duration = Duration::from_mins(8);

pub fn add(trials: &mut Vec<Trial>, client: Option<&StockClient>) {
    let mut add = |kind: Kind, name, test: fn(Kind, &StockClient) -> Result<()>| {
        let (found, ignored) = (client.cloned(), client.is_none());
        let run = move |kind| found.as_ref().map_or(Ok(()), |client| test(kind, client));
        trials.push(trial(kind, name, run).with_ignored_flag(ignored));
    };
    add(Q35, "serves_the_stock_client_also_when_its_connection_is_cut", one_node);
    add(MICROVM, "serves_the_stock_client_with_a_second_node", two_nodes);
    trials.push(trial(MICROVM, "is_as_before_after_a_short_soak", |_| {
        soak::soaks(&["--no-build", "--clients", "10", "--particles", "4", "--ttl", "20"])
    }));
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "answers_what_send_sends_as_a_peer", answers_send));
    }
}

/// `cargo xtask send --peer`, over TCP and over WebSocket.
fn answers_send(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    let addresses = node.multiaddresses();
    ensure!(addresses.len() == 2, "{}", node.vm.report());
    for address in addresses {
        send::greets(&address).with_context(|| node.vm.report())?;
    }
    node.check_alive()
}

/// All checks through a relay that resets the connections once.
fn one_node(kind: Kind, client: &StockClient) -> Result<()> {
    let node = Node::boot_with(kind, |guest| {
        guest.memory_mib = DEFAULT_MEMORY;
        Ok(())
    })?;
    let cutter = Cutter::start(SocketAddr::from((Ipv4Addr::LOCALHOST, node.peer_port())))?;
    let relay = node.websocket_address()?;
    let relay = boot_log::forwarded(&relay, cutter.port()).context("not an address of IPv4")?;
    let job = Job { relay, cut: Some(cutter.control_port()), ..Job::default() };
    let report = client.run(&job, LIMIT)?;
    report.expect_all(&job.checks()).with_context(|| node.vm.report())?;
    node.check_alive()
}

/// All checks, and one through a second node that the first knows from its configuration.
fn two_nodes(kind: Kind, client: &StockClient) -> Result<()> {
    let pair = Pair::boot(kind)?;
    let relay = pair.first.websocket_address()?;
    let second = Some(pair.second_peer.clone());
    let job = Job { relay, second, ..Job::default() };
    let report = client.run(&job, LIMIT)?;
    let logs = || format!("{}\n{}", pair.first.vm.report(), pair.second.report());
    report.expect_all(&job.checks()).with_context(logs)?;
    pair.first.check_alive()
}
