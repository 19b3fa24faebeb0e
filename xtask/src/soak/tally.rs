//! What the clients of a soak have seen.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::load::Times;

/// Messages of errors that are kept; all are counted.
const KEPT_ERRORS: usize = 20;

/// Counts of one round; shared by its clients.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) connections: Cell<u64>,
    pub(super) resets: Cell<u64>,
    pub(super) particles: Cell<u64>,
    pub(super) bytes: Cell<u64>,
    pub(super) times: RefCell<Times>,
    pub(super) lasted: Duration,
    errors: RefCell<Vec<String>>,
    error_count: Cell<u64>,
}

impl Tally {
    pub(super) fn count(place: &Cell<u64>, by: u64) {
        place.set(place.get() + by);
    }

    /// An error that no broken connection explains.
    pub(super) fn error(&self, what: String) {
        Self::count(&self.error_count, 1);
        let mut errors = self.errors.borrow_mut();
        if errors.len() < KEPT_ERRORS {
            errors.push(what);
        }
    }

    /// A table.
    pub(super) fn report(&self) -> String {
        let mut text = String::new();
        let times = self.times.borrow();
        let seconds = self.lasted.as_secs_f64().max(0.001);
        let mut row = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:32} {value:>12}");
        };
        row("seconds", format!("{seconds:.0}"));
        row("connections", self.connections.get().to_string());
        row("connections reset", self.resets.get().to_string());
        row("particles there and back", self.particles.get().to_string());
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = |count: u64| count as f64 / seconds;
        row("particles per second", format!("{:.1}", rate(self.particles.get())));
        row("payload there, KiB per second", format!("{:.0}", rate(self.bytes.get()) / 1024.0));
        row("half back within, ms", times.percentile(50).as_millis().to_string());
        row("99 of 100 back within, ms", times.percentile(99).as_millis().to_string());
        row("errors", self.error_count.get().to_string());
        text
    }

    /// Nothing, if there was no error.
    pub(super) fn verdict(&self) -> Result<()> {
        let errors = self.errors.borrow();
        if !errors.is_empty() {
            bail!("{} errors, such as:\n{}", self.error_count.get(), errors.join("\n"));
        }
        Ok(())
    }
}
