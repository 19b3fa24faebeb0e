//! The node's log on this machine: the same lines as a guest's, given to whoever shows them.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hypervisor_glue::logger;
use log::{LevelFilter, Log, Metadata, Record};

/// Takes whole lines, without their end.
type Show = Box<dyn FnMut(&str) + Send>;

/// The sink of `log` for a node in this process.
pub struct LogSink {
    start: Instant,
    show: Mutex<Show>,
}

impl LogSink {
    /// Makes this the sink of `log` for messages up to `level`; times count from `start`. Only the
    /// first sink of a process is one.
    pub fn install(level: LevelFilter, start: Instant, show: impl FnMut(&str) + Send + 'static) {
        let sink = Self { start, show: Mutex::new(Box::new(show)) };
        if log::set_boxed_logger(Box::new(sink)).is_ok() {
            log::set_max_level(level);
        }
    }
}

impl Log for LogSink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = logger::write_line(&mut line, micros, record);
        let mut show = self.show.lock().unwrap_or_else(PoisonError::into_inner);
        line.lines().for_each(&mut *show);
    }

    fn flush(&self) {}
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSink").field("start", &self.start).finish_non_exhaustive()
    }
}
