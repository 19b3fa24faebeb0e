//! The report of a Rust panic, and of memory that ran out.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use spin::Once;

use super::report;
use crate::memory::heap::{KernelHeap, Refusal};
use crate::power::{self, ExitCode};
use crate::serial;

static HEAP: Once<&'static KernelHeap> = Once::new();

/// Names the heap whose refusals are reported as out of memory.
pub fn set_heap(heap: &'static KernelHeap) {
    HEAP.call_once(|| heap);
}

/// Reports a panic and ends the guest; for the image's panic handler.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let frame_pointer = report::frame_pointer();
    let refusal = out_of_memory(info);
    let code = if refusal.is_some() { ExitCode::OutOfMemory } else { ExitCode::Panic };
    // The console writer never fails.
    match report::enter() {
        0 => {
            let _ = write_report(&mut serial::Writer::new(), info, refusal, frame_pointer);
        }
        1 => {
            let _ = writeln!(serial::Writer::new(), "\naerolith: panic within the report");
        }
        _ => {}
    }
    power::exit(code)
}

fn write_report(
    to: &mut impl Write,
    info: &PanicInfo<'_>,
    refusal: Option<(Refusal, &KernelHeap)>,
    frame_pointer: u64,
) -> fmt::Result {
    match refusal {
        Some((refusal, heap)) => {
            let statistics = heap.statistics();
            writeln!(
                to,
                "\naerolith: out of memory: wanted {} bytes aligned {}, free {}, largest {}, \
                 total {}, peak {}",
                refusal.bytes,
                refusal.align,
                statistics.free(),
                heap.largest_free(),
                statistics.total,
                statistics.peak,
            )?;
        }
        None => {
            write!(to, "\naerolith: panic: {}", info.message())?;
            if let Some(location) = info.location() {
                write!(to, " ({location})")?;
            }
            writeln!(to)?;
        }
    }
    report::write_backtrace(to, [None, None], frame_pointer)
}

/// Whether the panic is that of an allocation that has no way to fail: in `no_std`, stable Rust
/// reports one by a panic with a known text, and the heap knows what it refused last.
fn out_of_memory(info: &PanicInfo<'_>) -> Option<(Refusal, &'static KernelHeap)> {
    let heap = *HEAP.get()?;
    let refusal = heap.last_refusal()?;
    let (mut expected, mut message) = (Text::new(), Text::new());
    write!(expected, "memory allocation of {} bytes failed", refusal.bytes).ok()?;
    // A longer message does not fit, and so is another one.
    write!(message, "{}", info.message()).ok()?;
    (expected.as_bytes() == message.as_bytes()).then_some((refusal, heap))
}

/// A short text without a heap.
struct Text {
    bytes: [u8; 64],
    length: usize,
}

impl Text {
    const fn new() -> Text {
        Text { bytes: [0; 64], length: 0 }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}
