//! The published client of the network against the host build: every check, none left out.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use libtest_mimic::Trial;
use xtask::boot_log;
use xtask::client::peer_id_of;
use xtask::cutter::Cutter;
use xtask::stock_client::{Job, StockClient};

use crate::{node, with_client};

/// Ten times what the checks take on an idle machine.
const LIMIT: Duration = Duration::from_mins(4);
/// The second node's key, which the first has to know beforehand.
const SECOND_SEED: [u8; 32] = [0x5e; 32];

pub fn add(trials: &mut Vec<Trial>, client: Option<&StockClient>) {
    let name = "a_node_serves_the_stock_client_also_when_its_connection_is_cut";
    trials.push(with_client(name, client, one_node));
    trials.push(with_client("two_nodes_serve_the_stock_client", client, two_nodes));
}

/// All checks through a relay that resets the connections once.
fn one_node(client: &StockClient) -> Result<()> {
    let node = node("")?;
    let relay = node.address(true)?;
    let cutter = Cutter::start(SocketAddr::from((Ipv4Addr::LOCALHOST, relay.port())))?;
    let relay =
        boot_log::forwarded(&relay.to_string(), cutter.port()).context("not an address of IPv4")?;
    let job = Job { relay, cut: Some(cutter.control_port()), ..Job::default() };
    let report = client.run(&job, LIMIT)?;
    report.expect_all(&job.checks()).with_context(|| node.process().report())?;
    node.interrupt()
}

/// All checks, and one through a second node that the first knows from its configuration.
fn two_nodes(client: &StockClient) -> Result<()> {
    let seed: String = SECOND_SEED.iter().map(|byte| format!("{byte:02x}")).collect();
    let second = node(&format!("[identity]\nseed = \"{seed}\"\n"))?;
    let bootstrap = second.address(false)?;
    let first = node(&format!("[peers]\nbootstrap = [\"{bootstrap}\"]\n"))?;
    let second_id = Some(peer_id_of(&SECOND_SEED).to_string());
    let job = Job { relay: first.address(true)?.to_string(), second: second_id, ..Job::default() };
    let report = client.run(&job, LIMIT)?;
    let logs = || format!("{}\n{}", first.process().report(), second.process().report());
    report.expect_all(&job.checks()).with_context(logs)?;
    first.interrupt()?;
    second.interrupt()
}
