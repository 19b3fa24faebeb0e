//! Faults to order, for the tests of what the machine does about them.

use alloc::vec::Vec;
use core::arch::asm;
use core::hint::black_box;

use hypervisor_glue::boot::BootInfo;
use hypervisor_glue::memory::audit::Audit;

/// Commits the fault that `aerolith.fault=` names, if any.
pub fn inject(info: &BootInfo) {
    let Some(name) = info.command_line.value("aerolith.fault") else { return };
    log::info!(target: "boot", "committing the fault `{name}`");
    match name {
        "null" => read_from(0x10),
        "page" => read_from(0x7000_0000_0000),
        "stack" => {
            black_box(overflow(1));
        }
        "write-code" => write_to(inject as *const () as usize),
        "write-constant" => write_to(name_of_constant().as_ptr().addr()),
        "execute-data" => execute(core::ptr::from_ref(&CODE).addr()),
        "heap-execute" => execute(Vec::leak(CODE.to_vec()).as_ptr().addr()),
        "ud" => illegal(),
        "div" => divide(),
        "oom" => exhaust(),
        "panic" => panic_to_order(),
        "double" => double_fault(),
        other => log::warn!(target: "boot", "no such fault: `{other}`"),
    }
}

/// Logs what the page tables allow at a moment that has this name.
pub fn report_pages(moment: &str) {
    log::info!(target: "boot", "pages at {moment}: {}", Audit::in_force());
}

/// `ret`, as data.
static CODE: [u8; 1] = [0xC3];

fn name_of_constant() -> &'static str {
    black_box("a constant")
}

fn read_from(address: usize) {
    // SAFETY: the fault is what is asked for; the guest ends.
    unsafe { asm!("mov {0:l}, [{0}]", inout(reg) address => _) };
}

fn write_to(address: usize) {
    // SAFETY: as for `read_from`.
    unsafe { asm!("mov byte ptr [{0}], 0", in(reg) address) };
}

fn execute(address: usize) {
    // SAFETY: as for `read_from`.
    unsafe { asm!("call {0}", in(reg) address, clobber_abi("C")) };
}

fn illegal() {
    // SAFETY: as for `read_from`.
    unsafe { asm!("ud2") };
}

fn divide() {
    // SAFETY: as for `read_from`.
    unsafe {
        asm!("xor edx, edx", "div {0:e}", in(reg) 0u32, inout("eax") 1u32 => _, out("edx") _);
    };
}

#[expect(unconditional_recursion, reason = "the overflow is what is asked for")]
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    overflow(depth + 1) + room[0]
}

/// Takes memory until none is left.
fn exhaust() {
    const BLOCK: usize = 1 << 20;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(black_box(Vec::with_capacity(BLOCK)));
    }
}

#[expect(clippy::panic, reason = "the panic is what is asked for")]
fn panic_to_order() {
    panic!("to order, with the number {}", black_box(42));
}

/// Loses the stack that exceptions run on, then faults: the CPU cannot push, and faults doubly.
fn double_fault() {
    #[repr(C, packed)]
    struct Pointer {
        limit: u16,
        base: u64,
    }
    let mut pointer = Pointer { limit: 0, base: 0 };
    // SAFETY: as for `read_from`: the gate of vector 14 is made absent, then a page fault occurs.
    unsafe {
        asm!(
            "sidt [{pointer}]",
            "mov {base}, [{pointer} + 2]",
            "mov qword ptr [{base} + 14 * 16], 0",
            "mov {base:l}, [0x10]",
            pointer = in(reg) &raw mut pointer,
            base = out(reg) _,
        );
    }
}
