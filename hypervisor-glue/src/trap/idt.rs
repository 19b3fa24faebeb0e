//! The interrupt descriptor table and the stubs behind it.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;

use super::frame::TrapFrame;
use super::{interrupts, report};
use crate::cpu::descriptors::{self, CODE_SELECTOR, STACK_COUNT, TablePointer};
use crate::memory::stacks::Stack;

const VECTORS: usize = 256;
/// Bytes from one stub to the next.
const STUB_BYTES: u64 = 16;

// IST numbers.
const IST_EXCEPTION: u64 = 1;
const IST_DOUBLE_FAULT: u64 = 2;
const IST_NON_MASKABLE: u64 = 3;
const IST_INTERRUPT: u64 = 4;

/// Present interrupt gate: interrupts stay off in the handler.
const GATE: u64 = 0x8E << 40;

global_asm!(
    r#"
    .pushsection .text.trap_stubs, "ax", @progbits
    .balign 16
    .globl aerolith_trap_stubs
aerolith_trap_stubs:
    .set vector, 0
    .rept 32
    .balign 16
    # Vectors for which the CPU pushes an error code.
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    push 0
    .endif
    push vector
    jmp aerolith_exception
    .set vector, vector + 1
    .endr
    .rept 223
    .balign 16
    .if vector == {request_vector}
    jmp aerolith_request
    .else
    jmp aerolith_interrupt
    .endif
    .set vector, vector + 1
    .endr
    # 255, spurious: the APIC wants no answer.
    .balign 16
    iretq

    .balign 16
aerolith_exception:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    and rsp, -16
    xor ebp, ebp
    call {exception}
    ud2

    .balign 16
aerolith_request:
    mov byte ptr [rip + {requested}], 1
aerolith_interrupt:
    push rax
    inc qword ptr [rip + {count}]
    mov rax, [rip + {end}]
    cmp rax, 1
    jb 2f
    je 3f
    mov dword ptr [rax], 0
2:  pop rax
    iretq
3:  push rcx
    push rdx
    mov ecx, 0x80B
    xor eax, eax
    xor edx, edx
    wrmsr
    pop rdx
    pop rcx
    pop rax
    iretq
    .popsection
    "#,
    exception = sym exception,
    request_vector = const interrupts::REQUEST_VECTOR,
    requested = sym interrupts::REQUESTED,
    count = sym interrupts::COUNT,
    end = sym interrupts::END_OF_INTERRUPT,
);

unsafe extern "C" {
    safe static aerolith_trap_stubs: u8;
}

/// Called by the stubs, on an IST stack.
extern "C" fn exception(frame: &TrapFrame) -> ! {
    report::exception(frame)
}

#[repr(C, align(4096))]
struct Gates(UnsafeCell<[[u64; 2]; VECTORS]>);

// SAFETY: written once by `load`, on the one core, before the CPU reads it.
unsafe impl Sync for Gates {}

static GATES: Gates = Gates(UnsafeCell::new([[0; 2]; VECTORS]));

/// The IST of a vector's gate.
const fn stack_number(vector: usize) -> u64 {
    match vector {
        2 | 18 => IST_NON_MASKABLE,
        8 => IST_DOUBLE_FAULT,
        0..32 => IST_EXCEPTION,
        _ => IST_INTERRUPT,
    }
}

fn gate(vector: usize) -> [u64; 2] {
    let stubs = core::ptr::from_ref(&aerolith_trap_stubs).addr() as u64;
    let stub = stubs + vector as u64 * STUB_BYTES;
    let low = stub & 0xFFFF
        | u64::from(CODE_SELECTOR) << 16
        | stack_number(vector) << 32
        | GATE
        | (stub >> 16 & 0xFFFF) << 48;
    [low, stub >> 32]
}

/// Puts GDT, TSS and IDT in force: from here on every exception ends in a report.
///
/// # Safety
/// Called once, early, with interrupts off, on the main stack.
pub unsafe fn load() {
    let mut tops = [0; STACK_COUNT];
    for (top, stack) in tops.iter_mut().zip([
        Stack::Exception,
        Stack::DoubleFault,
        Stack::NonMaskable,
        Stack::Interrupt,
    ]) {
        *top = stack.range().end;
    }
    // SAFETY: once, with interrupts off, by the caller's promise; the stacks are the image's own.
    unsafe { descriptors::load(tops) };
    let gates: [[u64; 2]; VECTORS] = core::array::from_fn(gate);
    // SAFETY: the CPU does not use the table yet, and nothing else does ever.
    unsafe { GATES.0.get().write(gates) };
    #[expect(clippy::cast_possible_truncation, reason = "4095")]
    let limit = (size_of::<Gates>() - 1) as u16;
    let pointer = TablePointer { limit, base: GATES.0.get().addr() as u64 };
    // SAFETY: the table is static and each gate leads to a stub.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(readonly, nostack)) };
}
