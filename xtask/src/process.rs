//! One running program: its output, its end, and never a process left behind.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::external;

/// Output beyond this many bytes is dropped: a program that prints without end must not fill memory.
const OUTPUT_LIMIT: usize = 16 << 20;
/// How often a wait looks whether the process has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A process; dropping it kills and reaps it, whatever happened.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Arc<Output>,
    name: String,
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

impl Process {
    /// Starts a program without input. Its output and its error messages are collected in one text.
    ///
    /// It gets a process group of its own, so that a Ctrl-C for this program is not also one for it,
    /// and is told by `setpriv` (where it exists) to die with the thread that starts it.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(program: &Command) -> Result<Self> {
        let name = Path::new(program.get_program()).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let mut command = bound_to_us(program);
        let shown = external::shown(&command);
        let (reader, writer) = io::pipe().context("cannot make a pipe")?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start: {shown}"))?;
        // The command holds the pipe's writing end; the reader sees the end only without it.
        drop(command);
        let output = Arc::new(Output::default());
        let collector = Arc::clone(&output);
        thread::spawn(move || collector.collect(reader));
        Ok(Self { child, output, name, command: shown })
    }

    /// The command that started it.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Its process id.
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
    /// When the process ends or the time is over before; the error holds the output.
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
                let status = self.child.wait().with_context(|| self.unwaitable())?;
                bail!("{} ended ({status}) before \"{mark}\"\n{}", self.name, self.report());
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

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait();
        status.with_context(|| self.unwaitable())
    }

    /// Waits for its end and gives its exit code, after all output has been collected.
    ///
    /// # Errors
    /// When the time is over before, or a signal ended it.
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
                bail!("{} still runs after {limit:?}\n{}", self.name, self.report());
            }
            thread::sleep(LOOK);
        }
    }

    /// The processor time that it has used, all threads.
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

    /// Does what Ctrl-C does.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn interrupt(&self) -> Result<()> {
        let status = Command::new("kill").arg("-INT").arg(self.id().to_string()).status()?;
        ensure!(status.success(), "kill: {status}");
        Ok(())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // Both fail only if the process has ended and been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn unwaitable(&self) -> String {
        format!("cannot wait for {}", self.name)
    }

    /// The command and everything printed, for an error.
    #[must_use]
    pub fn report(&self) -> String {
        format!("{}\n{}", self.command, self.text())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The same program, which ends when the thread that starts it does.
pub(crate) fn bound_to_us(program: &Command) -> Command {
    let mut command = if external::exists("setpriv") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program.get_program());
        command
    } else {
        Command::new(program.get_program())
    };
    command.args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
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
