//! A node that is started to be asked something: in QEMU, as a process, or the comparison host.

mod in_qemu;
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use netstack::libp2p::Multiaddr;
use tempfile::NamedTempFile;

use crate::boot_log;
use crate::http::{self, Response, Url};
use crate::process::Process;
use crate::qemu::{Machine, Vm};
use crate::stock_client::StockClient;

/// Time for one answer over HTTP.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// A node that has said that it is ready; it ends with this value.
#[derive(Debug)]
pub struct Subject {
    running: Running,
    addresses: Vec<Multiaddr>,
    /// Where it answers over HTTP, if it does.
    url: Option<Url>,
    _config: Option<NamedTempFile>,
}

#[derive(Debug)]
enum Running {
    Guest(Vm),
    Process(Process),
}

impl Subject {
    /// The product's image in a guest with so many MiB, behind QEMU's user network.
    ///
    /// # Errors
    /// When the image is not built, or the guest does not become ready.
    pub fn in_qemu(machine: Machine, memory: u32, toml: &str) -> Result<Self> {
        in_qemu::start(machine, memory, toml)
    }

    /// The node as a process: `program` is this very program, `cargo xtask`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn on_this_machine(program: &Path, memory: u32, toml: &str) -> Result<Self> {
        process::start(program, memory, toml, &[])
    }

    /// The same, hosting the programs of these folders.
    ///
    /// # Errors
    /// As [`Self::on_this_machine`].
    pub fn on_this_machine_with(
        program: &Path,
        memory: u32,
        toml: &str,
        programs: &[PathBuf],
    ) -> Result<Self> {
        process::start(program, memory, toml, programs)
    }

    /// The comparison host, which has no HTTP.
    ///
    /// # Errors
    /// When it does not start.
    pub fn comparison(client: &StockClient) -> Result<Self> {
        let (process, address) = client.mock_host(&[])?;
        let address: Multiaddr = address.parse().map_err(|error| anyhow!("{address}: {error}"))?;
        // It takes both on its one port.
        let plain = address.to_string().replace("/ws/", "/").parse();
        let plain = plain.map_err(|error| anyhow!("{address}: {error}"))?;
        let running = Running::Process(process);
        Ok(Self { running, addresses: vec![plain, address], url: None, _config: None })
    }

    /// Where it takes peers, over WebSocket or over TCP alone.
    ///
    /// # Errors
    /// When it has no such address.
    pub fn address(&self, websocket: bool) -> Result<&Multiaddr> {
        let found = self.addresses.iter().find(|address| address.is_websocket() == websocket);
        found.with_context(|| format!("no such address\n{}", self.process().report()))
    }

    /// What runs it.
    #[must_use]
    pub fn process(&self) -> &Process {
        match &self.running {
            Running::Guest(vm) => vm,
            Running::Process(process) => process,
        }
    }

    /// Where it answers over HTTP.
    ///
    /// # Errors
    /// When it does not.
    pub fn url(&self) -> Result<&Url> {
        self.url.as_ref().context("this host has no HTTP")
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Result<Response> {
        self.request("GET", path, b"")
    }

    /// Any request.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let url = Url { path: path.to_owned(), ..self.url()?.clone() };
        http::request(&url, method, body, ANSWER_LIMIT)
            .with_context(|| format!("{method} {path}\n{}", self.process().report()))
    }

    /// A figure of its `/metrics`; `name` with its labels.
    ///
    /// # Errors
    /// When it is not there.
    pub fn metric(&self, name: &str) -> Result<f64> {
        metric(self.url()?, name)
    }

    /// Where its memory is read.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.url.clone().map_or_else(|| Memory::Process(self.process().id()), Memory::Node)
    }

    /// Ends a process as Ctrl-C does; it has to end by itself, and well.
    ///
    /// # Errors
    /// When it does not.
    pub fn interrupt(mut self) -> Result<()> {
        let Running::Process(process) = &mut self.running else { return Ok(()) };
        process::interrupt(process)
    }
}

/// Where the memory in use can be read.
#[derive(Clone, Debug)]
pub enum Memory {
    /// In the metrics of a node.
    Node(Url),
    /// Of a process with this number, what is resident.
    Process(u32),
}

impl Memory {
    /// Bytes in use now.
    ///
    /// # Errors
    /// When nobody says.
    pub fn in_use(&self) -> Result<f64> {
        let process = match self {
            Self::Node(url) => return metric(url, "aerolith_heap_used_bytes"),
            Self::Process(process) => process,
        };
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).context("no VmRSS")?;
        Ok(kib.parse::<f64>()? * 1024.0)
    }
}

/// A figure of the `/metrics` of the node at `url`; `name` with its labels.
///
/// # Errors
/// When it is not there.
pub fn metric(url: &Url, name: &str) -> Result<f64> {
    let url = Url { path: "/metrics".to_owned(), ..url.clone() };
    let page = http::request(&url, "GET", b"", ANSWER_LIMIT)?.text();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name}\n{page}"))?.trim().parse()?)
}

/// The multiaddresses in a node's log.
fn addresses_in(log: &str) -> Result<Vec<String>> {
    let said: Vec<_> = log.lines().flat_map(boot_log::peer_addresses).map(str::to_owned).collect();
    ensure!(!said.is_empty(), "the node names no multiaddress\n{log}");
    Ok(said)
}

fn parsed(addresses: impl IntoIterator<Item = String>) -> Result<Vec<Multiaddr>> {
    let parse = |text: String| text.parse().map_err(|error| anyhow!("{text}: {error}"));
    addresses.into_iter().map(parse).collect()
}
