//! What the CPU and the stubs save of an interrupted context.

use core::fmt;

/// Registers at an exception, in the order in which `idt`'s stubs push them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TrapFrame {
    /// r15, r14 … r8.
    pub r15_to_r8: [u64; 8],
    /// Saved rbp.
    pub rbp: u64,
    /// Saved rdi.
    pub rdi: u64,
    /// Saved rsi.
    pub rsi: u64,
    /// Saved rdx.
    pub rdx: u64,
    /// Saved rcx.
    pub rcx: u64,
    /// Saved rbx.
    pub rbx: u64,
    /// Saved rax.
    pub rax: u64,
    /// Vector, by the stub.
    pub vector: u64,
    /// Error code, by the CPU, or 0.
    pub error_code: u64,
    /// Where it happened.
    pub rip: u64,
    /// Code segment there.
    pub cs: u64,
    /// Flags there.
    pub rflags: u64,
    /// Stack pointer there.
    pub rsp: u64,
    /// Stack segment there.
    pub ss: u64,
}

/// Name of an exception vector (Intel SDM vol. 3, table 6-1).
#[must_use]
pub const fn exception_name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack-segment fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point error",
        20 => "virtualization exception",
        21 => "control protection exception",
        28 => "hypervisor injection exception",
        29 => "VMM communication exception",
        30 => "security exception",
        _ => "reserved exception",
    }
}

/// Whether the CPU pushes an error code for a vector.
#[must_use]
pub const fn has_error_code(vector: u64) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21 | 29 | 30)
}

/// The page fault error code, decoded (Intel SDM vol. 3, 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault(pub u64);

impl PageFault {
    /// The page is mapped, but the access is not allowed.
    #[must_use]
    pub const fn is_protection(self) -> bool {
        self.0 & 1 != 0
    }

    /// It was a write.
    #[must_use]
    pub const fn is_write(self) -> bool {
        self.0 & 2 != 0
    }

    /// It was an instruction fetch.
    #[must_use]
    pub const fn is_fetch(self) -> bool {
        self.0 & 16 != 0
    }
}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_fetch(), self.is_write()) {
            (true, _) => "instruction fetch from ",
            (false, true) => "write to ",
            (false, false) => "read from ",
        })?;
        f.write_str(match (self.is_protection(), self.is_fetch(), self.is_write()) {
            (false, ..) => "an unmapped page",
            (true, true, _) => "a page that is not executable",
            (true, false, true) => "a read-only page",
            (true, false, false) => "a protected page",
        })?;
        if self.0 & 8 != 0 {
            f.write_str(", reserved bit set in a table")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn page_fault_codes_read_as_what_happened() {
        assert_eq!(PageFault(0).to_string(), "read from an unmapped page");
        assert_eq!(PageFault(2).to_string(), "write to an unmapped page");
        assert_eq!(PageFault(3).to_string(), "write to a read-only page");
        assert_eq!(
            PageFault(0x11).to_string(),
            "instruction fetch from a page that is not executable"
        );
        assert_eq!(
            PageFault(9).to_string(),
            "read from a protected page, reserved bit set in a table"
        );
    }
}
