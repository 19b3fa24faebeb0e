//! One target under libFuzzer: the one that `AEROLITH_FUZZ_TARGET` names.
//!
//! Each run may allocate no more than its target's bound above what was there before: what goes beyond
//! ends the process, which libFuzzer reports like any crash.
#![no_main]

mod targets;

use std::alloc::System;
use std::sync::LazyLock;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("AEROLITH_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("AEROLITH_FUZZ_TARGET names no target: {name:?}"))
});

/// The report of a panic needs memory too.
fn lift_bound_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let _ = ALLOCATOR.set_limit(usize::MAX);
        report(panic);
    }));
}

fuzz_target!(init: lift_bound_on_panic(), |bytes: &[u8]| -> () {
    let run = TARGET.run;
    let bound = ALLOCATOR.allocated().saturating_add(TARGET.memory_bytes);
    ALLOCATOR.set_limit(bound).expect("more than is allocated");
    run(bytes);
    ALLOCATOR.set_limit(usize::MAX).expect("more than is allocated");
});
