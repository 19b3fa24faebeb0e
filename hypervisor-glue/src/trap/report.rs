//! The report of a CPU exception, on the console.

use core::arch::asm;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use super::backtrace;
use super::frame::{PageFault, TrapFrame, exception_name, has_error_code};
use crate::cpu::registers;
use crate::memory::address::PAGE_BYTES;
use crate::memory::image;
use crate::memory::stacks::Stack;
use crate::power::{self, ExitCode};
use crate::serial;

const PAGE_FAULT: u64 = 14;
const DOUBLE_FAULT: u64 = 8;

/// Reports begun; a fault within a report gives a short one, a further one none.
static DEPTH: AtomicU32 = AtomicU32::new(0);

/// Counts a report that begins: 0 for the first.
pub(super) fn enter() -> u32 {
    DEPTH.fetch_add(1, Ordering::Relaxed)
}

/// Reports the exception and ends the guest.
pub(super) fn exception(frame: &TrapFrame) -> ! {
    let fault_address = registers::read_cr2();
    let overflow = overflowed_stack(frame, fault_address);
    let code = if overflow.is_some() { ExitCode::StackOverflow } else { ExitCode::Exception };
    match enter() {
        0 => {
            // The console writer never fails.
            let _ = write_report(&mut serial::Writer::new(), frame, fault_address, overflow);
        }
        1 => {
            let _ = writeln!(
                serial::Writer::new(),
                "\naerolith: fault within the report: {} at rip {:#x}, address {fault_address:#x}",
                exception_name(frame.vector),
                frame.rip,
            );
        }
        _ => {}
    }
    power::exit(code)
}

/// The stack that ran over: its guard page was touched, or the CPU could not even push to it.
fn overflowed_stack(frame: &TrapFrame, fault_address: u64) -> Option<Stack> {
    match frame.vector {
        PAGE_FAULT | DOUBLE_FAULT => Stack::guarded_at(fault_address),
        _ => None,
    }
}

fn write_report(
    to: &mut impl Write,
    frame: &TrapFrame,
    fault_address: u64,
    overflow: Option<Stack>,
) -> fmt::Result {
    let vector = frame.vector;
    write!(to, "\naerolith: CPU exception {vector}: {}", exception_name(vector))?;
    if has_error_code(vector) {
        write!(to, ", error code {:#x}", frame.error_code)?;
    }
    writeln!(to)?;
    if vector == PAGE_FAULT {
        writeln!(to, "  {} at {fault_address:#x}", PageFault(frame.error_code))?;
    }
    if let Some(stack) = overflow {
        writeln!(to, "  stack overflow: the guard page of the {} stack was hit", stack.name())?;
    } else if vector == PAGE_FAULT {
        describe(to, PageFault(frame.error_code), fault_address)?;
    }
    write_registers(to, frame, fault_address)?;
    write_backtrace(to, [Some(frame.rip), jump(frame)], frame.rbp)
}

/// Where the jump to `rip` was, if no code is there: a function that was never entered has no frame,
/// and its return address is the top of the stack.
fn jump(frame: &TrapFrame) -> Option<u64> {
    let stack = Stack::around(frame.rsp)?.range();
    let whole = frame.rsp.checked_add(8).is_some_and(|end| end <= stack.end);
    if image::text().contains(frame.rip) || !whole || !frame.rsp.is_multiple_of(8) {
        return None;
    }
    // SAFETY: the word is aligned and lies within a stack.
    let return_address = unsafe { read_word(frame.rsp) };
    image::text().contains(return_address).then(|| return_address - 1)
}

/// Reads a word of a stack.
///
/// # Safety
/// The word is aligned and lies within a mapped stack.
unsafe fn read_word(address: u64) -> u64 {
    let address = core::ptr::with_exposed_provenance::<u64>(usize::try_from(address).unwrap_or(0));
    // SAFETY: the caller's promise.
    unsafe { address.read() }
}

/// What kind of mistake a page fault shows.
fn describe(to: &mut impl Write, fault: PageFault, address: u64) -> fmt::Result {
    let what = if address < PAGE_BYTES {
        "null pointer: the first page is never mapped"
    } else if fault.is_fetch() && fault.is_protection() {
        "W^X: data is not executable"
    } else if fault.is_write() && image::text().contains(address) {
        "W^X: code is not writable"
    } else if fault.is_write() && image::constants().contains(address) {
        "constants are not writable"
    } else {
        return Ok(());
    };
    writeln!(to, "  {what}")
}

fn write_registers(to: &mut impl Write, frame: &TrapFrame, fault_address: u64) -> fmt::Result {
    let [r15, r14, r13, r12, r11, r10, r9, r8] = frame.r15_to_r8;
    let rows = [
        [("rip", frame.rip), ("rsp", frame.rsp), ("rflags", frame.rflags)],
        [("cr2", fault_address), ("cr3", registers::read_cr3()), ("cr0", registers::read_cr0())],
        [("rax", frame.rax), ("rbx", frame.rbx), ("rcx", frame.rcx)],
        [("rdx", frame.rdx), ("rsi", frame.rsi), ("rdi", frame.rdi)],
        [("rbp", frame.rbp), ("r8", r8), ("r9", r9)],
        [("r10", r10), ("r11", r11), ("r12", r12)],
        [("r13", r13), ("r14", r14), ("r15", r15)],
        [("cs", frame.cs), ("ss", frame.ss), ("cr4", registers::read_cr4())],
    ];
    for row in rows {
        for (name, value) in row {
            write!(to, "  {name:>6} {value:016x}")?;
        }
        writeln!(to)?;
    }
    Ok(())
}

/// Writes `first` and the chain of calls that led there, by the frame pointer there.
pub(super) fn write_backtrace(
    to: &mut impl Write,
    first: [Option<u64>; 2],
    frame_pointer: u64,
) -> fmt::Result {
    writeln!(to, "  backtrace (`cargo xtask symbolize` names the addresses):")?;
    let stack = Stack::around(frame_pointer).map(Stack::range).unwrap_or_default();
    let callers = backtrace::walk(frame_pointer, stack, image::text(), |address| {
        // SAFETY: `walk` asks only for aligned words within the mapped stack.
        unsafe { read_word(address) }
    });
    // A call that never returns may be the last of its function: what lies at the return address is
    // then the next one, so the call itself is named.
    let calls = callers.map(|return_address| return_address - 1);
    for (number, address) in first.into_iter().flatten().chain(calls).enumerate() {
        writeln!(to, "  #{number} {address:#x}")?;
    }
    Ok(())
}

/// The frame pointer of the caller.
#[inline(always)]
pub(super) fn frame_pointer() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
