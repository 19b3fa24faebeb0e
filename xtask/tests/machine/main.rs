//! Boots the unikernel in QEMU and holds it to what it promises.
//!
//! Every machine is an own QEMU process that ends with its test, whatever happens to the test.
//! Nothing here needs root, KVM, or a network beyond loopback.

mod aleph_host;
mod artefacts;
mod boot;
mod cable;
mod clients;
mod disks;
mod efi_file;
mod elf;
mod examples;
mod exhaustion;
mod faults;
mod firmware;
mod harness;
mod hostile;
mod kept;
mod linux_entry;
mod loaders;
#[path = "../network/message_node.rs"]
mod message_node;
mod node;
mod pair;
mod peer;
mod power;
#[path = "../network/program_checks.rs"]
mod program_checks;
mod programs;
mod rust_vmm;
mod secrets;
#[path = "../network/send_command.rs"]
mod send;
mod serve;
mod shapes;
#[path = "../network/soak_command.rs"]
mod soak;
mod triggered;
#[path = "../network/triggers.rs"]
mod triggers;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use xtask::aleph_host::AlephHost;
use xtask::aleph_sdk::AlephSdk;
use xtask::stock_client::StockClient;

use crate::node::Kind;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    harness::add(&mut trials);
    elf::add(&mut trials);
    efi_file::add(&mut trials);
    rust_vmm::add(&mut trials);
    boot::add(&mut trials);
    serve::add(&mut trials);
    examples::add(&mut trials);
    programs::add(&mut trials);
    hostile::add(&mut trials);
    exhaustion::add(&mut trials);
    faults::add(&mut trials);
    linux_entry::add(&mut trials);
    loaders::add(&mut trials);
    firmware::add(&mut trials);
    cable::add(&mut trials);
    power::add(&mut trials);
    shapes::add(&mut trials);
    disks::add(&mut trials);
    kept::add(&mut trials);
    secrets::add(&mut trials);
    let client = if arguments.list { None } else { found_client() };
    clients::add(&mut trials, client.as_ref());
    let sdk = if arguments.list { None } else { found_sdk() };
    artefacts::add(&mut trials, sdk.as_ref());
    triggered::add(&mut trials, sdk.as_ref());
    let host = if arguments.list { None } else { found_host() };
    aleph_host::add(&mut trials, host.as_ref());
    libtest_mimic::run(&arguments, trials).exit();
}

/// The stock client, or a word about why the tests that need it are shown as ignored.
fn found_client() -> Option<StockClient> {
    StockClient::prepare()
        .inspect_err(|reason| eprintln!("SKIPPED: everything with the stock client: {reason:#}"))
        .ok()
}

/// The Aleph network's client, likewise.
fn found_sdk() -> Option<AlephSdk> {
    AlephSdk::prepare()
        .inspect_err(|reason| eprintln!("SKIPPED: everything with the Aleph client: {reason:#}"))
        .ok()
}

/// The host of Aleph guests, or a word about why the tests that need it are shown as ignored.
fn found_host() -> Option<AlephHost> {
    AlephHost::prepare()
        .inspect_err(|reason| eprintln!("SKIPPED: everything with an Aleph host: {reason:#}"))
        .ok()
}

/// A test that boots no machine.
fn plain(name: &str, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
}

/// A test, named after the machine that it boots and what it proves.
fn trial(kind: Kind, name: &str, test: impl FnOnce(Kind) -> Result<()> + Send + 'static) -> Trial {
    Trial::test(format!("{}::{name}", kind.name), move || {
        test(kind).map_err(|error| Failed::from(format!("{error:#}")))
    })
}
