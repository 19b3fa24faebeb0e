//! A guest that fails says how and where, and ends with the exit code for it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use xtask::image::{self, Image};
use xtask::qemu::Vm;
use xtask::symbolize::Symbols;

use crate::node::{Kind, MICROVM, Q35, guest};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(90);

const PANIC: i32 = 35;
const EXCEPTION: i32 = 37;
const OUT_OF_MEMORY: i32 = 39;
const GUARD_PAGE: i32 = 41;

/// The word that causes the fault, the exit code, what the report has to contain.
const FAULTS: [(&str, i32, &[&str]); 9] = [
    ("null", EXCEPTION, &["page fault"]),
    ("page", EXCEPTION, &["page fault"]),
    ("stack", GUARD_PAGE, &["stack"]),
    ("write-code", EXCEPTION, &["page fault"]),
    ("execute-data", EXCEPTION, &["page fault"]),
    ("oom", OUT_OF_MEMORY, &["out of memory"]),
    ("ud", EXCEPTION, &["invalid opcode"]),
    ("div", EXCEPTION, &["divide"]),
    ("panic", PANIC, &["panic"]),
];

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        for (word, code, marks) in FAULTS {
            let name = format!("fault_{word}_ends_with_a_report_and_code_{code}");
            trials.push(trial(kind, &name, move |kind| fails(kind, word, code, marks)));
        }
    }
}

fn fails(kind: Kind, word: &str, code: i32, marks: &[&str]) -> Result<()> {
    let mut guest = guest(kind, Image::FaultInjection)?;
    guest.command_line.push(format!("aerolith.fault={word}"));
    let mut vm = Vm::start(&guest)?;
    let ended = vm.wait_exit(END_LIMIT)?;
    let report = vm.text();
    ensure!(ended == code, "exit code {ended} instead of {code}\n{}", vm.report());
    let lower = report.to_lowercase();
    for mark in marks {
        ensure!(lower.contains(mark), "the report lacks {mark:?}\n{report}");
    }
    names_the_function(&report)
}

/// Some address of the report lies in the module that causes the faults.
fn names_the_function(report: &str) -> Result<()> {
    let symbols = Symbols::load(&image::path(Image::FaultInjection))?;
    let resolved: Vec<String> = report.lines().map(|line| symbols.annotate(line)).collect();
    let found = resolved.iter().any(|line| line.contains("fault_injection"));
    found.then_some(()).with_context(|| {
        format!("no address resolves to the faulting function:\n{}", resolved.join("\n"))
    })
}
