//! The node's host build and the stock client, over loopback: no virtual machine, no root.

mod comparison_host;
mod http;
mod send;
mod send_command;
mod soak;
mod soak_command;
mod stock_client;

use std::path::Path;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use xtask::run::DEFAULT_MEMORY;
use xtask::stock_client::StockClient;
use xtask::subject::Subject;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    http::add(&mut trials);
    soak::add(&mut trials);
    let listing = arguments.list;
    let client = if listing { None } else { stock_client() };
    comparison_host::add(&mut trials, client.as_ref());
    send::add(&mut trials, client.as_ref());
    stock_client::add(&mut trials, client.as_ref());
    libtest_mimic::run(&arguments, trials).exit();
}

/// The stock client, or a word about why the tests that need it are shown as ignored.
fn stock_client() -> Option<StockClient> {
    StockClient::prepare()
        .inspect_err(|reason| eprintln!("SKIPPED: everything with the stock client: {reason:#}"))
        .ok()
}

/// A node as a process of this machine.
fn node(toml: &str) -> Result<Subject> {
    Subject::on_this_machine(Path::new(env!("CARGO_BIN_EXE_xtask")), DEFAULT_MEMORY, toml)
}

/// A test of this machine.
fn trial(name: &str, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
}

/// A test that needs the stock client; ignored without one.
fn with_client(
    name: &str,
    client: Option<&StockClient>,
    test: impl FnOnce(&StockClient) -> Result<()> + Send + 'static,
) -> Trial {
    let client = client.cloned();
    let ignored = client.is_none();
    trial(name, move || client.as_ref().map_or(Ok(()), test)).with_ignored_flag(ignored)
}
