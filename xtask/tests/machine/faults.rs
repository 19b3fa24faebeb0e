//! A guest that fails says how and where, and ends with the exit code for it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use xtask::build::{self, Image};
use xtask::qemu::Vm;
use xtask::symbolize::Symbols;

use crate::node::{BOOT_LIMIT, Kind, MICROVM, PC, Q35, guest};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(90);

const PANIC: i32 = 35;
const EXCEPTION: i32 = 37;
const OUT_OF_MEMORY: i32 = 39;
const GUARD_PAGE: i32 = 41;

/// The word that orders the fault, the exit code, what the report has to contain, and the function
/// that its backtrace has to lead to.
const FAULTS: [(&str, i32, &str, &str); 12] = [
    ("null", EXCEPTION, "page fault", "read_from"),
    ("page", EXCEPTION, "page fault", "read_from"),
    ("stack", GUARD_PAGE, "stack overflow", "overflow"),
    ("write-code", EXCEPTION, "page fault", "write_to"),
    ("write-constant", EXCEPTION, "page fault", "write_to"),
    ("execute-data", EXCEPTION, "page fault", "execute"),
    ("heap-execute", EXCEPTION, "page fault", "execute"),
    ("double", EXCEPTION, "double fault", "double_fault"),
    ("ud", EXCEPTION, "invalid opcode", "illegal"),
    ("div", EXCEPTION, "divide error", "divide"),
    ("oom", OUT_OF_MEMORY, "out of memory", "exhaust"),
    ("panic", PANIC, "panic", "panic_to_order"),
];

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35, PC] {
        trials.push(trial(kind, "maps_no_page_both_writable_and_executable", no_writable_code));
    }
    trials.push(trial(MICROVM, "has_what_the_cpu_offers_for_protection_switched_on", protected));
    for kind in [MICROVM, Q35] {
        for (word, code, mark, function) in FAULTS {
            let name = format!("fault_{word}_ends_with_a_report_and_code_{code}");
            trials.push(trial(kind, &name, move |kind| fails(kind, (word, code, mark, function))));
        }
    }
}

fn fails(kind: Kind, fault: (&str, i32, &str, &str)) -> Result<()> {
    let (word, code, mark, function) = fault;
    let mut guest = guest(kind, Image::FaultInjection)?;
    guest.command_line.push(format!("aerolith.fault={word}"));
    let mut vm = Vm::start(&guest)?;
    let ended = vm.wait_exit(END_LIMIT)?;
    let report = vm.text();
    ensure!(ended == code, "exit code {ended} instead of {code}\n{}", vm.report());
    ensure!(report.contains(mark), "the report lacks {mark:?}\n{report}");
    names_the_function(&report, function)
}

/// The guest walks the tables that its CPU uses, after it has made them and when the node is up.
fn no_writable_code(kind: Kind) -> Result<()> {
    let mut vm = Vm::start(&guest(kind, Image::FaultInjection)?)?;
    for moment in ["boot", "service"] {
        let mark = format!("boot: pages at {moment}: ");
        let line = vm.wait_for(&mark, BOOT_LIMIT)?;
        let sound =
            ", 0 writable and executable, 0 for unprivileged code, 0 at null, 0 in guard pages";
        ensure!(line.contains(sound), "{line}");
        let code = line.split_once(&mark).and_then(|(_, rest)| rest.split(' ').next());
        ensure!(code.is_some_and(|code| code != "0"), "no code was found: {line}");
    }
    Ok(())
}

/// What the report of a fault shows of the control registers.
fn protected(kind: Kind) -> Result<()> {
    const WRITE_PROTECT: u64 = 1 << 16;
    const UMIP_SMEP_SMAP: u64 = 1 << 11 | 1 << 20 | 1 << 21;
    let mut guest = guest(kind, Image::FaultInjection)?;
    guest.command_line.push("aerolith.fault=ud".to_owned());
    let mut vm = Vm::start(&guest)?;
    vm.wait_exit(END_LIMIT)?;
    let report = vm.text();
    for (register, wanted) in [("cr0 ", WRITE_PROTECT), ("cr4 ", UMIP_SMEP_SMAP)] {
        let value = report.split_once(register).and_then(|(_, rest)| rest.get(..16));
        let value = u64::from_str_radix(value.with_context(|| vm.report())?, 16)?;
        ensure!(value & wanted == wanted, "{register}{value:x} lacks bits of {wanted:x}");
    }
    Ok(())
}

/// Some address of the backtrace lies in the function that commits the fault.
fn names_the_function(report: &str, function: &str) -> Result<()> {
    let symbols = Symbols::load(&build::paths(Image::FaultInjection).with_symbols)?;
    let resolved: Vec<String> = report.lines().map(|line| symbols.annotate(line)).collect();
    let frame = format!("{function} at kernel/src/unikernel/fault_injection.rs:");
    let found = resolved.iter().any(|line| line.contains(&frame));
    found
        .then_some(())
        .with_context(|| format!("no address resolves to {function}:\n{}", resolved.join("\n")))
}
