//! GDT and TSS: flat segments and the stacks that interrupts and exceptions switch to.

use core::arch::asm;
use core::cell::UnsafeCell;

/// Selector of the 64-bit code segment.
pub const CODE_SELECTOR: u16 = 0x08;
const DATA_SELECTOR: u16 = 0x10;
const TASK_SELECTOR: u16 = 0x18;

const CODE_DESCRIPTOR: u64 = 0x00AF_9B00_0000_FFFF;
const DATA_DESCRIPTOR: u64 = 0x00CF_9300_0000_FFFF;
/// Available 64-bit TSS, present.
const TASK_TYPE: u64 = 0x89 << 40;

/// Number of interrupt stacks that a TSS has room for.
pub const STACK_COUNT: usize = 7;

/// The 64-bit task state segment (Intel SDM vol. 3, 8.7); 32-bit halves because of its packing.
#[repr(C, align(16))]
#[derive(Debug)]
struct TaskState([u32; 26]);

const TASK_BYTES: u32 = 26 * 4;

#[repr(C, align(16))]
#[derive(Debug)]
struct Tables {
    gdt: [u64; 5],
    task: TaskState,
}

struct Shared(UnsafeCell<Tables>);

// SAFETY: written once by `load`, on the one core, before anything else reads it.
unsafe impl Sync for Shared {}

static TABLES: Shared = Shared(UnsafeCell::new(Tables { gdt: [0; 5], task: TaskState([0; 26]) }));

/// A descriptor table's limit and address, as LGDT and LIDT take them.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
pub struct TablePointer {
    /// Size in bytes, less one.
    pub limit: u16,
    /// Address.
    pub base: u64,
}

const fn low_half(value: u64) -> u32 {
    (value & 0xFFFF_FFFF) as u32
}

const fn high_half(value: u64) -> u32 {
    (value >> 32) as u32
}

/// Puts the GDT and TSS in force; `stack_tops[n]` becomes the stack IST n + 1.
///
/// # Safety
/// Called once, with interrupts off; each top is the end of a stack that nothing else uses.
pub unsafe fn load(stack_tops: [u64; STACK_COUNT]) {
    let mut task = [0u32; 26];
    let pairs = task.get_mut(9..9 + 2 * STACK_COUNT).unwrap_or_default().chunks_exact_mut(2);
    for (pair, top) in pairs.zip(stack_tops) {
        if let [low, high] = pair {
            (*low, *high) = (low_half(top), high_half(top));
        }
    }
    // The I/O map lies beyond the segment's end: no ports for rings that do not exist.
    task[25] = TASK_BYTES << 16;
    let tables = TABLES.0.get();
    let task_address = tables.addr() as u64 + core::mem::offset_of!(Tables, task) as u64;
    let task_limit = u64::from(TASK_BYTES) - 1;
    let task_low = task_limit
        | (task_address & 0xFF_FFFF) << 16
        | TASK_TYPE
        | (task_address >> 24 & 0xFF) << 56;
    let value = Tables {
        gdt: [0, CODE_DESCRIPTOR, DATA_DESCRIPTOR, task_low, task_address >> 32],
        task: TaskState(task),
    };
    // SAFETY: the caller calls this once, before anything else looks at the tables.
    unsafe { tables.write(value) };
    let pointer = TablePointer { limit: 5 * 8 - 1, base: tables.addr() as u64 };
    // SAFETY: the table is static and describes flat segments, so that what runs goes on as it
    // was; the pushed pair is popped by the far return.
    unsafe {
        asm!(
            "lgdt [{pointer}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2:",
            "mov ds, {data:e}",
            "mov es, {data:e}",
            "mov ss, {data:e}",
            "ltr {task:x}",
            pointer = in(reg) &raw const pointer,
            code = const CODE_SELECTOR,
            data = in(reg) u32::from(DATA_SELECTOR),
            task = in(reg) TASK_SELECTOR,
            scratch = out(reg) _,
        );
    }
}
