//! `cargo xtask send --peer`: the native client against whoever takes particles.

use std::rc::Rc;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use libtest_mimic::Trial;
use netstack::libp2p::Keypair;
use xtask::client::Client;
use xtask::host::Ground;
use xtask::stock_client::StockClient;

use crate::send_command::greets;
use crate::{node, trial, with_client};

pub fn add(trials: &mut Vec<Trial>, client: Option<&StockClient>) {
    trials.push(trial("send_reaches_a_node_on_this_machine", host_build));
    trials.push(trial("tasks_of_a_client_share_its_connection", one_connection));
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

fn one_connection() -> Result<()> {
    let node = node("")?;
    let address = node.address(false)?.clone();
    Ground::run(move |ground| async move {
        let client = Client::new(&ground, Keypair::from_seed(&[7; 32]), address)?;
        let links = try_join_all((0..5).map(|_| client.connect())).await?;
        ensure!(links.iter().all(|link| Rc::ptr_eq(link, &links[0])), "several connections");
        client.disconnect();
        Ok(())
    })??;
    let opened = node.metric("aerolith_peer_connections_opened_total{by=\"peer\"}")?;
    ensure!(opened == 1.0, "{opened} connections");
    node.interrupt()
}
