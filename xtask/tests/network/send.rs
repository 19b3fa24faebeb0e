//! `cargo xtask send --peer`: the native client against whoever takes particles.

use anyhow::Result;
use libtest_mimic::Trial;
use xtask::stock_client::StockClient;

use crate::send_command::greets;
use crate::{node, trial, with_client};

pub fn add(trials: &mut Vec<Trial>, client: Option<&StockClient>) {
    trials.push(trial("send_reaches_a_node_on_this_machine", host_build));
    trials.push(with_client("send_reaches_the_comparison_host", client, comparison_host));
}

fn comparison_host(client: &StockClient) -> Result<()> {
    let (_host, websocket) = client.mock_host(&[])?;
    greets(&websocket)?;
    greets(&websocket.replace("/ws/", "/"))
}

fn host_build() -> Result<()> {
    let node = node("")?;
    greets(&node.address(false)?.to_string())?;
    greets(&node.address(true)?.to_string())?;
    node.interrupt()
}
