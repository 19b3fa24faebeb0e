//! One running QEMU: its output, its end, and never a process left behind.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Guest, PROGRAM};
use crate::external;

/// Output beyond this many bytes is dropped: a guest that prints without end must not fill memory.
const OUTPUT_LIMIT: usize = 16 << 20;
/// How often a wait looks whether the process has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A QEMU process; dropping it kills and reaps it, whatever happened.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    output: Arc<Output>,
    command: String,
}

#[derive(Debug, Default)]
struct Output {
    text: Mutex<Text>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    closed: bool,
}

impl Vm {
    /// Starts the guest. Serial output and QEMU's own messages are collected in one text.
    ///
    /// QEMU gets a process group of its own, so that a Ctrl-C for this program is not also one
    /// for QEMU, and is told by `setpriv` (where it exists) to die with the thread that starts it.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start(guest: &Guest) -> Result<Self> {
        let mut command = if external::exists("setpriv") {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", PROGRAM]);
            command
        } else {
            Command::new(PROGRAM)
        };
        command.args(guest.arguments());
        let shown = external::shown(&command);
        let (reader, writer) = io::pipe().context("cannot make a pipe")?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start: {shown}"))?;
        // The command holds the pipe's writing end; the reader sees the end only without it.
        drop(command);
        let output = Arc::new(Output::default());
        let collector = Arc::clone(&output);
        thread::spawn(move || collector.collect(reader));
        Ok(Self { child, output, command: shown })
    }

    /// The command that started QEMU.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// QEMU's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().bytes).into_owned()
    }

    /// Waits until a whole line contains `mark`, and gives that line.
    ///
    /// # Errors
    /// When QEMU ends or the time is over before; the error holds the output.
    pub fn wait_for(&mut self, mark: &str, limit: Duration) -> Result<String> {
        let mut cursor = 0;
        let end = Instant::now() + limit;
        loop {
            while let Some(line) = self.line_at(&mut cursor) {
                if line.contains(mark) {
                    return Ok(line);
                }
            }
            if self.output.lock().closed {
                let status = self.child.wait().context("cannot wait for QEMU")?;
                bail!("QEMU ended ({status}) before \"{mark}\"\n{}", self.report());
            }
            if Instant::now() >= end {
                bail!("no \"{mark}\" within {limit:?}\n{}", self.report());
            }
            self.pause(cursor);
        }
    }

    /// The next whole line at `cursor` (a byte offset, moved on), if it is there already.
    #[must_use]
    pub fn line_at(&self, cursor: &mut usize) -> Option<String> {
        let text = self.output.lock();
        let rest = text.bytes.get(*cursor..)?;
        let (length, next) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end, end + 1),
            None if text.closed && !rest.is_empty() => (rest.len(), rest.len()),
            None => return None,
        };
        let line = String::from_utf8_lossy(&rest[..length]).trim_end_matches('\r').to_owned();
        *cursor += next;
        Some(line)
    }

    /// Waits a moment, less when output arrives beyond `cursor`.
    pub fn pause(&self, cursor: usize) {
        let text = self.output.lock();
        if text.closed {
            drop(text);
            thread::sleep(LOOK);
        } else if text.bytes.len() <= cursor || !text.bytes[cursor..].contains(&b'\n') {
            drop(self.output.changed.wait_timeout(text, LOOK));
        }
    }

    /// QEMU's exit status, if it has ended.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for QEMU")
    }

    /// Waits for QEMU's end and gives its exit code, after all output has been collected.
    ///
    /// # Errors
    /// When the time is over before, or a signal ended QEMU.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<i32> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                while !self.output.lock().closed && Instant::now() < end {
                    self.pause(usize::MAX);
                }
                return status.code().with_context(|| format!("{status}\n{}", self.report()));
            }
            if Instant::now() >= end {
                bail!("QEMU still runs after {limit:?}\n{}", self.report());
            }
            thread::sleep(LOOK);
        }
    }

    /// The processor time that QEMU has used, all threads.
    ///
    /// # Errors
    /// When /proc does not say.
    pub fn cpu_time(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().context("an empty schedstat")?;
            nanoseconds += first.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Ends QEMU at once.
    pub fn kill(&mut self) {
        // Both fail only if the process has ended and been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The command and everything printed, for an error.
    #[must_use]
    pub fn report(&self) -> String {
        format!("{}\n{}", self.command, self.text())
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self, mut from: io::PipeReader) {
        let mut chunk = [0; 4096];
        loop {
            let count = match from.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(count) => count,
                Err(_) => 0,
            };
            let mut text = self.lock();
            if count == 0 {
                text.closed = true;
            } else if text.bytes.len() < OUTPUT_LIMIT {
                text.bytes.extend_from_slice(&chunk[..count]);
            }
            self.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    }
}
