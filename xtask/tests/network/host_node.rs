//! A node as a process of this machine, as the tests start it.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;
use xtask::boot_log;
use xtask::http::{self, Response, Url};
use xtask::process::Process;

const START_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A node that has said that it is ready; it ends with this value.
pub struct HostNode {
    pub process: Process,
    pub url: Url,
    _config: NamedTempFile,
}

impl HostNode {
    /// Starts `cargo xtask run --host` with free ports and this configuration.
    pub fn start(toml: &str) -> Result<Self> {
        let mut config = NamedTempFile::with_prefix("aerolith-node-")?;
        config.write_all(toml.as_bytes())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["run", "--host", "--port", "0", "--peer-port", "0", "--config"]);
        // The note for `send` is for nodes that people start.
        command.arg(config.path()).arg("--unrecorded");
        let mut process = Process::start(&command)?;
        let ready = process.wait_for("node: ready ", START_LIMIT)?;
        let url = Url::parse(boot_log::ready(&ready).context("a ready line without a URL")?)?;
        Ok(Self { process, url, _config: config })
    }

    /// Where the node takes peers, over WebSocket or over TCP alone.
    pub fn multiaddress(&self, websocket: bool) -> Result<String> {
        let text = self.process.text();
        let mut all = text.lines().flat_map(boot_log::peer_addresses);
        let found = all.find(|address| address.contains("/ws/") == websocket);
        found.map(str::to_owned).with_context(|| format!("no such address\n{text}"))
    }

    pub fn get(&self, path: &str) -> Result<Response> {
        self.request("GET", path, b"")
    }

    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let url = Url { path: path.to_owned(), ..self.url.clone() };
        http::request(&url, method, body, ANSWER_LIMIT)
            .with_context(|| format!("{method} {path}\n{}", self.process.report()))
    }

    /// Ends the node as Ctrl-C does; it has to end by itself, and well.
    pub fn stop(mut self) -> Result<()> {
        let status =
            Command::new("kill").arg("-INT").arg(self.process.id().to_string()).status()?;
        ensure!(status.success(), "kill: {status}");
        let code = self.process.wait_exit(START_LIMIT)?;
        ensure!(code == 0, "the node ended with code {code}\n{}", self.process.report());
        Ok(())
    }
}
