//! The stacks, each with an unmapped guard page below it.
//!
//! The linker script lays them out; their order in [`Stack::ALL`] is that of the script.

use super::address::{PAGE_BYTES, PhysRange};
use super::limits::ERASED_STACK_BYTES;

/// One of the image's stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Where the kernel runs.
    Main,
    /// CPU exceptions.
    Exception,
    /// Double faults, so that a broken exception stack is survived too.
    DoubleFault,
    /// Non-maskable interrupts and machine checks.
    NonMaskable,
    /// Device and timer interrupts.
    Interrupt,
}

/// Overwrites what has been left on the main stack by functions that have returned, as far as
/// [`ERASED_STACK_BYTES`] go: copies of secrets among it.
#[inline(never)]
pub fn erase_left_behind() {
    let words = ERASED_STACK_BYTES / size_of::<u64>() as u64;
    let PhysRange { start, end } = Stack::Main.range();
    // SAFETY: what lies below the stack pointer belongs to nobody: interrupts have stacks of their own,
    // and the compiler keeps nothing there in a function with such a block (no `nostack`). Nothing is
    // written unless this is the main stack, and nothing beyond its bottom.
    unsafe {
        core::arch::asm!(
            "cmp rsp, {end}",
            "ja 2f",
            "mov rcx, rsp",
            "sub rcx, {start}",
            "jbe 2f",
            "shr rcx, 3",
            "cmp rcx, {words}",
            "cmova rcx, {words}",
            "lea rdi, [rcx * 8]",
            "neg rdi",
            "add rdi, rsp",
            "xor eax, eax",
            "rep stosq",
            "2:",
            start = in(reg) start,
            end = in(reg) end,
            words = in(reg) words,
            out("rax") _,
            out("rcx") _,
            out("rdi") _,
        );
    }
}

macro_rules! stack_symbols {
    ($($name:ident)*) => {
        unsafe extern "C" {
            $(safe static $name: u8;)*
        }
    };
}

stack_symbols! {
    __stack_main_bottom __stack_main_top
    __stack_exception_bottom __stack_exception_top
    __stack_double_fault_bottom __stack_double_fault_top
    __stack_non_maskable_bottom __stack_non_maskable_top
    __stack_interrupt_bottom __stack_interrupt_top
}

impl Stack {
    /// All of them.
    pub const ALL: [Stack; 5] =
        [Stack::Main, Stack::Exception, Stack::DoubleFault, Stack::NonMaskable, Stack::Interrupt];

    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stack::Main => "main",
            Stack::Exception => "exception",
            Stack::DoubleFault => "double fault",
            Stack::NonMaskable => "non-maskable interrupt",
            Stack::Interrupt => "interrupt",
        }
    }

    /// The mapped part.
    #[must_use]
    pub fn range(self) -> PhysRange {
        let (bottom, top) = match self {
            Stack::Main => (&__stack_main_bottom, &__stack_main_top),
            Stack::Exception => (&__stack_exception_bottom, &__stack_exception_top),
            Stack::DoubleFault => (&__stack_double_fault_bottom, &__stack_double_fault_top),
            Stack::NonMaskable => (&__stack_non_maskable_bottom, &__stack_non_maskable_top),
            Stack::Interrupt => (&__stack_interrupt_bottom, &__stack_interrupt_top),
        };
        let address = |symbol: &'static u8| core::ptr::from_ref(symbol).addr() as u64;
        PhysRange::new(address(bottom), address(top))
    }

    /// The unmapped page below.
    #[must_use]
    pub fn guard(self) -> PhysRange {
        let bottom = self.range().start;
        PhysRange::new(bottom - PAGE_BYTES, bottom)
    }

    /// The stack that `address` is in.
    #[must_use]
    pub fn around(address: u64) -> Option<Stack> {
        Stack::ALL.into_iter().find(|stack| stack.range().contains(address))
    }

    /// The stack whose guard page `address` is in.
    #[must_use]
    pub fn guarded_at(address: u64) -> Option<Stack> {
        Stack::ALL.into_iter().find(|stack| stack.guard().contains(address))
    }
}
