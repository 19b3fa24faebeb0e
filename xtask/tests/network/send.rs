//! `cargo xtask send --peer`: the native client against whoever takes particles.

use anyhow::Result;
use libtest_mimic::Trial;
use xtask::stock_client::StockClient;

use crate::host_node::HostNode;
use crate::send_command::greets;
use crate::{trial, with_client};

pub fn add(trials: &mut Vec<Trial>, client: Option<&StockClient>) {
    trials.push(trial("send_reaches_a_node_on_this_machine", node));
    trials.push(with_client("send_reaches_the_comparison_host", client, comparison_host));
}

fn comparison_host(client: &StockClient) -> Result<()> {
    let (_host, websocket) = client.mock_host(&[])?;
    greets(&websocket)?;
    greets(&websocket.replace("/ws/", "/"))
}

fn node() -> Result<()> {
    let node = HostNode::start("")?;
    greets(&node.multiaddress(false)?)?;
    greets(&node.multiaddress(true)?)?;
    node.stop()
}
