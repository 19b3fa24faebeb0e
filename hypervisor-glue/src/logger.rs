//! The `log` sink: lines `[    0.001234] INFO  room: text` on the console.
//!
//! The time is seconds since the entry. Control characters in a message come out escaped, so that
//! what a peer sent cannot forge lines or steer a terminal; a line break starts a marked
//! continuation line.

use core::fmt::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};
use spin::Once;

use crate::serial;

static CLOCK: Once<fn() -> u64> = Once::new();

struct Sink;

static SINK: Sink = Sink;

/// Makes the console the sink of `log`, for messages up to `level`.
pub fn init(level: LevelFilter) {
    // The only failure is a second call, which then only changes the level.
    let _ = log::set_logger(&SINK);
    log::set_max_level(level);
}

/// Gives lines their time: `micros` counts microseconds since the entry.
pub fn set_clock(micros: fn() -> u64) {
    CLOCK.call_once(|| micros);
}

/// The level named by `aerolith.log=`, or `info`.
#[must_use]
pub fn level_from_word(word: Option<&str>) -> LevelFilter {
    match word {
        Some("off") => LevelFilter::Off,
        Some("error") => LevelFilter::Error,
        Some("warn") => LevelFilter::Warn,
        Some("debug") => LevelFilter::Debug,
        Some("trace") => LevelFilter::Trace,
        _ => LevelFilter::Info,
    }
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let micros = CLOCK.get().map_or(0, |clock| clock());
        // The console writer never fails.
        let _ = write_line(&mut serial::Writer::new(), micros, record);
    }

    fn flush(&self) {}
}

/// Writes a record as one line, continuation lines apart: `micros` counts from the entry.
///
/// # Errors
/// When `to` takes no more.
pub fn write_line(to: &mut impl Write, micros: u64, record: &Record<'_>) -> fmt::Result {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (level, room) = (record.level(), room(record.target()));
    write!(to, "[{seconds:5}.{fraction:06}] {level:<5} {room}: ")?;
    write!(Escaped(to), "{}", record.args())?;
    to.write_char('\n')
}

/// The room of a log target: a name given, or taken from the module path.
fn room(target: &str) -> &str {
    let mut parts = target.split("::");
    match (parts.next(), parts.next()) {
        (Some("kernel" | "aerolith" | "hypervisor_glue"), Some(module)) => module,
        (Some(first), _) => first,
        (None, _) => target,
    }
}

/// Passes text on with its control characters made harmless.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (clean, tail) = rest.split_at(at);
            self.0.write_str(clean)?;
            let mut characters = tail.chars();
            match characters.next() {
                Some('\n') => self.0.write_str("\n               | ")?,
                Some(other) => write!(self.0, "{}", other.escape_default())?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;
    use std::string::String;

    fn line(micros: u64, target: &str, text: &str) -> String {
        let mut line = String::new();
        let args = format_args!("{text}");
        let record = Record::builder().level(Level::Info).target(target).args(args).build();
        write_line(&mut line, micros, &record).unwrap();
        line
    }

    #[test]
    fn lines_have_time_level_room_and_text() {
        assert_eq!(line(1234, "node", "hello"), "[    0.001234] INFO  node: hello\n");
        assert_eq!(line(12_000_034, "kernel::node::actor", "x"), "[   12.000034] INFO  node: x\n");
        assert_eq!(line(0, "netstack::http", "x"), "[    0.000000] INFO  netstack: x\n");
    }

    #[test]
    fn text_cannot_forge_lines_or_steer_a_terminal() {
        let forged = line(0, "a", "x\n[ 0] \u{1b}[2J\r\u{85}ü");
        assert_eq!(
            forged,
            "[    0.000000] INFO  a: x\n               | [ 0] \\u{1b}[2J\\r\\u{85}ü\n"
        );
    }
}
