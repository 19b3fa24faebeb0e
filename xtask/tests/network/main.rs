//! The node's host build and the stock client, over loopback: no virtual machine, no root.

mod comparison_host;
mod http;
mod message_node;
mod program_checks;
mod programs;
mod send;
mod send_command;
mod soak;
mod soak_command;
mod stock_client;
mod triggers;

use std::path::Path;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use xtask::aleph_sdk::AlephSdk;
use xtask::run::DEFAULT_MEMORY;
use xtask::stock_client::StockClient;
use xtask::subject::Subject;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    http::add(&mut trials);
    programs::add(&mut trials);
    soak::add(&mut trials);
    let listing = arguments.list;
    let client = if listing { None } else { stock_client() };
    comparison_host::add(&mut trials, client.as_ref());
    send::add(&mut trials, client.as_ref());
    stock_client::add(&mut trials, client.as_ref());
    let sdk = if listing { None } else { aleph_sdk() };
    trials.push(trial("programs_run_for_messages_and_at_their_times", || {
        triggers::programs_run(node, "127.0.0.1")
    }));
    let ignored = sdk.is_none();
    let published = move || match &sdk {
        Some(sdk) => triggers::published_by_the_sdk(node, "127.0.0.1", sdk),
        None => Ok(()),
    };
    trials.push(
        trial("the_network_s_own_client_publishes_to_a_node", published).with_ignored_flag(ignored),
    );
    libtest_mimic::run(&arguments, trials).exit();
}

/// The stock client, or a word about why the tests that need it are shown as ignored.
fn stock_client() -> Option<StockClient> {
    StockClient::prepare()
        .inspect_err(|reason| eprintln!("SKIPPED: everything with the stock client: {reason:#}"))
        .ok()
}

/// The Aleph network's client, or a word about why its test is shown as ignored.
fn aleph_sdk() -> Option<AlephSdk> {
    AlephSdk::prepare()
        .inspect_err(|reason| eprintln!("SKIPPED: everything with the Aleph client: {reason:#}"))
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
