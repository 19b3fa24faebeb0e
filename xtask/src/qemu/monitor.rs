//! QEMU's machine protocol, as far as it is needed: ask one thing, get one answer.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Guest;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A socket for the monitor that lies in a folder of its own.
#[derive(Debug)]
pub struct Socket(TempDir);

impl Socket {
    /// Makes the folder.
    ///
    /// # Errors
    /// When the system has no place for temporary files.
    pub fn new() -> Result<Self> {
        Ok(Self(TempDir::with_prefix("aerolith-qemu-")?))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("qmp")
    }

    /// Tells QEMU to listen there.
    pub fn attach(&self, guest: &mut Guest) {
        let word = format!("unix:{},server=on,wait=off", self.path().display());
        guest.extra.extend(["-qmp".to_owned(), word]);
    }

    /// Connects to the running QEMU.
    ///
    /// # Errors
    /// When QEMU does not listen in time.
    pub fn connect(&self) -> Result<Monitor> {
        connect(&self.path())
    }
}

/// Connects to a running QEMU that listens at `path`.
///
/// # Errors
/// When QEMU does not listen in time.
pub fn connect(path: &Path) -> Result<Monitor> {
    let stream = reach(path)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut monitor = Monitor(BufReader::new(stream));
    monitor.read()?;
    monitor.ask("qmp_capabilities")?;
    Ok(monitor)
}

fn reach(path: &Path) -> Result<UnixStream> {
    let end = Instant::now() + ANSWER_LIMIT;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error).context("QEMU's monitor does not listen"),
        }
    }
}

/// A connection to a running QEMU.
#[derive(Debug)]
pub struct Monitor(BufReader<UnixStream>);

impl Monitor {
    /// Executes a command without arguments; what it returns.
    ///
    /// # Errors
    /// When QEMU refuses or is gone.
    pub fn ask(&mut self, command: &str) -> Result<Value> {
        self.ask_with(command, &json!({}))
    }

    /// Presses keys together and lets them go; the names are QEMU's `QKeyCode`.
    ///
    /// # Errors
    /// When QEMU refuses or is gone.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        let key = |name: &&str| json!({ "type": "qcode", "data": name });
        let keys: Vec<Value> = keys.iter().map(key).collect();
        self.ask_with("send-key", &json!({ "keys": keys })).map(drop)
    }

    /// Writes the guest's first `bytes` bytes of memory, as it sees them by address, to a file.
    ///
    /// # Errors
    /// When QEMU refuses or is gone.
    pub fn save_memory(&mut self, file: &Path, bytes: u64) -> Result<()> {
        let arguments = json!({ "val": 0, "size": bytes, "filename": file });
        self.ask_with("pmemsave", &arguments).map(drop)
    }

    fn ask_with(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.0.get_mut(), "{request}")?;
        loop {
            let mut answer = self.read()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
        }
    }

    /// Instructions that the guest has executed; only with `-icount …,rr=record`.
    ///
    /// # Errors
    /// When QEMU does not count.
    pub fn instructions(&mut self) -> Result<u64> {
        let state = self.ask("query-replay")?;
        state
            .get("icount")
            .and_then(Value::as_u64)
            .with_context(|| format!("QEMU counts no instructions: {state}"))
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).context("QEMU's monitor does not answer")?;
        serde_json::from_str(&line).with_context(|| format!("not an answer of QEMU: {line:?}"))
    }
}
