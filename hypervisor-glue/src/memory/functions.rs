//! `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp` and `strlen`: what compiled code calls.
//!
//! In assembly, because a compiler may turn a Rust loop that copies into a call of the very
//! function. Up to 64 bytes all loads come before all stores, so that overlaps need no care; above
//! that 64 bytes a turn, or `rep` where the CPU says that it is fast. One body serves `memcpy` and
//! `memmove`. Built under names of our own; the image alone gives them their C names, so that the
//! host's tests compare them with the host's.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

/// Lengths from here on are done by `rep` instructions.
static REP_FROM_BYTES: AtomicU64 = AtomicU64::new(u64::MAX);

/// Where `rep movsb` overtakes 64 bytes a turn on CPUs with fast strings: its start costs tens of
/// cycles.
const FAST_STRING_FROM_BYTES: u64 = 2048;

/// Lets long copies use `rep` instructions.
pub fn use_fast_strings() {
    REP_FROM_BYTES.store(FAST_STRING_FROM_BYTES, Ordering::Relaxed);
}

unsafe extern "C" {
    /// C's `memmove`, and so also `memcpy`.
    ///
    /// # Safety
    /// As for C's.
    pub fn aerolith_memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    /// C's `memset`.
    ///
    /// # Safety
    /// As for C's.
    pub fn aerolith_memset(to: *mut u8, value: i32, bytes: usize) -> *mut u8;
    /// C's `memcmp`.
    ///
    /// # Safety
    /// As for C's.
    pub fn aerolith_memcmp(left: *const u8, right: *const u8, bytes: usize) -> i32;
    /// C's `strlen`.
    ///
    /// # Safety
    /// As for C's.
    pub fn aerolith_strlen(text: *const u8) -> usize;
}

#[cfg(feature = "freestanding")]
global_asm!(
    r#"
    .globl memcpy
    .set memcpy, aerolith_memmove
    .globl memmove
    .set memmove, aerolith_memmove
    .globl memset
    .set memset, aerolith_memset
    .globl memcmp
    .set memcmp, aerolith_memcmp
    .globl bcmp
    .set bcmp, aerolith_memcmp
    .globl strlen
    .set strlen, aerolith_strlen
    "#
);

global_asm!(
    r#"
    .pushsection .text.memory_functions, "ax", @progbits

    .balign 64
    .globl aerolith_memmove
    .type aerolith_memmove, @function
aerolith_memmove:
    mov rax, rdi
    cmp rdx, 16
    jb 20f
    cmp rdx, 32
    ja 10f
    movups xmm0, [rsi]
    movups xmm1, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + rdx - 16], xmm1
    ret
10: cmp rdx, 64
    ja 11f
    movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    movups xmm2, [rsi + rdx - 32]
    movups xmm3, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + 16], xmm1
    movups [rdi + rdx - 32], xmm2
    movups [rdi + rdx - 16], xmm3
    ret
11: mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb 14f                              # the target starts within the source: from the end
    cmp rdx, [rip + {rep_from}]
    jae 13f
    # The last 64 bytes are read before anything is written, and written last.
    movups xmm4, [rsi + rdx - 64]
    movups xmm5, [rsi + rdx - 48]
    movups xmm6, [rsi + rdx - 32]
    movups xmm7, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 64]
12: movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    movups xmm2, [rsi + 32]
    movups xmm3, [rsi + 48]
    movups [rdi], xmm0
    movups [rdi + 16], xmm1
    movups [rdi + 32], xmm2
    movups [rdi + 48], xmm3
    add rsi, 64
    add rdi, 64
    cmp rdi, r8
    jb 12b
    movups [r8], xmm4
    movups [r8 + 16], xmm5
    movups [r8 + 32], xmm6
    movups [r8 + 48], xmm7
    ret
13: mov rcx, rdx
    rep movsb
    ret
14: movups xmm4, [rsi]
    movups xmm5, [rsi + 16]
    movups xmm6, [rsi + 32]
    movups xmm7, [rsi + 48]
    lea r8, [rdi + 64]
    add rsi, rdx
    add rdi, rdx
15: movups xmm0, [rsi - 16]
    movups xmm1, [rsi - 32]
    movups xmm2, [rsi - 48]
    movups xmm3, [rsi - 64]
    movups [rdi - 16], xmm0
    movups [rdi - 32], xmm1
    movups [rdi - 48], xmm2
    movups [rdi - 64], xmm3
    sub rsi, 64
    sub rdi, 64
    cmp rdi, r8
    ja 15b
    movups [rax], xmm4
    movups [rax + 16], xmm5
    movups [rax + 32], xmm6
    movups [rax + 48], xmm7
    ret
20: cmp edx, 8
    jb 21f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
21: cmp edx, 4
    jb 22f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
22: test edx, edx
    jz 23f
    mov r9, rdx
    shr r9, 1
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + rdx - 1]
    movzx r10d, byte ptr [rsi + r9]
    mov [rdi], cl
    mov [rdi + r9], r10b
    mov [rdi + rdx - 1], r8b
23: ret

    .balign 64
    .globl aerolith_memset
    .type aerolith_memset, @function
aerolith_memset:
    mov rax, rdi
    movzx esi, sil
    movabs rcx, 0x0101010101010101
    imul rcx, rsi
    cmp rdx, 16
    jb 20f
    movq xmm0, rcx
    punpcklqdq xmm0, xmm0
    cmp rdx, 64
    ja 11f
    movups [rdi], xmm0
    movups [rdi + rdx - 16], xmm0
    cmp rdx, 32
    jbe 10f
    movups [rdi + 16], xmm0
    movups [rdi + rdx - 32], xmm0
10: ret
11: cmp rdx, [rip + {rep_from}]
    jae 13f
    lea r8, [rdi + rdx - 64]
12: movups [rdi], xmm0
    movups [rdi + 16], xmm0
    movups [rdi + 32], xmm0
    movups [rdi + 48], xmm0
    add rdi, 64
    cmp rdi, r8
    jb 12b
    movups [r8], xmm0
    movups [r8 + 16], xmm0
    movups [r8 + 32], xmm0
    movups [r8 + 48], xmm0
    ret
13: mov r8, rax
    mov rcx, rdx
    mov eax, esi
    rep stosb
    mov rax, r8
    ret
20: cmp edx, 8
    jb 21f
    mov [rdi], rcx
    mov [rdi + rdx - 8], rcx
    ret
21: cmp edx, 4
    jb 22f
    mov [rdi], ecx
    mov [rdi + rdx - 4], ecx
    ret
22: test edx, edx
    jz 23f
    mov r9, rdx
    shr r9, 1
    mov [rdi], cl
    mov [rdi + r9], cl
    mov [rdi + rdx - 1], cl
23: ret

    .balign 64
    .globl aerolith_memcmp
    .type aerolith_memcmp, @function
aerolith_memcmp:
    cmp rdx, 16
    jb 20f
    lea r8, [rdx - 16]
    xor ecx, ecx
10: movups xmm0, [rdi + rcx]
    movups xmm1, [rsi + rcx]
    pcmpeqb xmm0, xmm1
    pmovmskb eax, xmm0
    xor eax, 0xFFFF
    jnz 11f
    add rcx, 16
    cmp rcx, r8
    jbe 10b
    cmp rcx, rdx
    je 12f
    mov rcx, r8                         # the last 16 bytes, some of them a second time
    jmp 10b
11: bsf eax, eax
    add rcx, rax
    movzx eax, byte ptr [rdi + rcx]
    movzx ecx, byte ptr [rsi + rcx]
    sub eax, ecx
12: ret
20: xor ecx, ecx
    cmp edx, 8
    jb 21f
    mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 24f
    mov rax, [rdi + rdx - 8]
    mov rcx, [rsi + rdx - 8]
    cmp rax, rcx
    jne 24f
    xor eax, eax
    ret
21: xor eax, eax
    test edx, edx
    jz 23f
22: movzx eax, byte ptr [rdi + rcx]
    movzx r8d, byte ptr [rsi + rcx]
    sub eax, r8d
    jnz 23f
    inc ecx
    cmp ecx, edx
    jb 22b
23: ret
24: bswap rax                           # the first byte that differs decides
    bswap rcx
    cmp rax, rcx
    sbb eax, eax
    or eax, 1
    ret

    .balign 16
    .globl aerolith_strlen
    .type aerolith_strlen, @function
aerolith_strlen:
    xor eax, eax
    cmp byte ptr [rdi], 0
    je 11f
10: inc rax
    cmp byte ptr [rdi + rax], 0
    jne 10b
11: ret
    .popsection
    "#,
    rep_from = sym REP_FROM_BYTES,
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Room around what is written, to see that nothing else is.
    const MARGIN: usize = 80;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| ((i * 7 + i / 256) % 256).try_into().unwrap()).collect()
    }

    /// Moves within one buffer and compares with what the standard library does.
    fn check_move(from: usize, to: usize, bytes: usize) {
        let mut ours = pattern(from.max(to) + bytes + MARGIN);
        let mut expected = ours.clone();
        expected.copy_within(from..from + bytes, to);
        let base = ours.as_mut_ptr();
        // SAFETY: within `ours`.
        let source = unsafe { base.add(from) };
        // SAFETY: within `ours`.
        let target = unsafe { base.add(to) };
        // SAFETY: both ranges are within `ours`.
        let returned = unsafe { aerolith_memmove(target, source, bytes) };
        assert_eq!(returned, target);
        assert!(ours == expected, "from {from} to {to}, {bytes} bytes");
    }

    #[test]
    fn moves_all_short_lengths_at_all_overlaps() {
        for bytes in 0..200 {
            for distance in [0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 48, 63, 64, 65, 127, 200] {
                check_move(MARGIN, MARGIN + distance, bytes);
                check_move(MARGIN + distance, MARGIN, bytes);
            }
        }
    }

    #[test]
    fn rep_gives_the_same_results() {
        use_fast_strings();
        for bytes in [2047, 2048, 2049, 5000] {
            for distance in [0, 1, 63, 64, 100, 2048, 6000] {
                check_move(MARGIN, MARGIN + distance, bytes);
                check_move(MARGIN + distance, MARGIN, bytes);
            }
            check_set(MARGIN, bytes, 0xA7);
        }
    }

    fn check_set(at: usize, bytes: usize, value: u8) {
        let mut ours = pattern(at + bytes + MARGIN);
        let mut expected = ours.clone();
        expected[at..at + bytes].fill(value);
        let target = ours[at..].as_mut_ptr();
        // SAFETY: the range is within `ours`; of the value only the low byte counts.
        let returned = unsafe { aerolith_memset(target, 0x100 | i32::from(value), bytes) };
        assert_eq!(returned, target);
        assert!(ours == expected, "at {at}, {bytes} bytes");
    }

    #[test]
    fn sets_all_short_lengths() {
        for bytes in 0..300 {
            for at in MARGIN..MARGIN + 16 {
                check_set(at, bytes, 0xFE);
            }
        }
    }

    #[test]
    fn compares_by_the_first_byte_that_differs() {
        for bytes in 0..100 {
            let left = pattern(bytes + 1);
            for at in 0..bytes {
                let mut right = left.clone();
                right[at] = right[at].wrapping_add(1);
                right[at + 1] = right[at + 1].wrapping_sub(100);
                let expected = left[..bytes].cmp(&right[..bytes]) as i32;
                // SAFETY: both hold more than `bytes`.
                let ours = unsafe { aerolith_memcmp(left.as_ptr(), right.as_ptr(), bytes) };
                assert_eq!(ours.signum(), expected, "{bytes} bytes, differing at {at}");
            }
            // SAFETY: as above.
            assert_eq!(unsafe { aerolith_memcmp(left.as_ptr(), left.clone().as_ptr(), bytes) }, 0);
        }
    }

    #[test]
    fn measures_strings() {
        for (text, length) in [(&b"\0a"[..], 0), (b"a\0b", 1), (b"abcdefghijklmnopq\0", 17)] {
            // SAFETY: each ends in a NUL.
            assert_eq!(unsafe { aerolith_strlen(text.as_ptr()) }, length);
        }
    }

    proptest! {
        #[test]
        fn moves_and_sets_any_lengths(from in 0usize..9000, to in 0usize..9000, bytes in 0usize..9000) {
            check_move(from, to, bytes);
            check_set(to, bytes, 0x5A);
        }
    }
}
