//! Raw memory: bytes at addresses, and the functions that compiled code calls.

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .text.memory_functions, "ax", @progbits
    .globl memcpy
    .globl memmove
memcpy:
memmove:
    mov rax, rdi
    mov rcx, rdx
    mov r8, rdi
    sub r8, rsi
    cmp r8, rdx
    jb 1f                               # the target begins within the source: from the end
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
    rep movsb
    ret
1:  lea rdi, [rdi + rdx - 1]
    lea rsi, [rsi + rdx - 1]
    std
    rep movsb
    cld
    ret

    .globl memset
memset:
    mov r8, rdi
    movzx eax, sil
    mov rcx, 0x0101010101010101
    imul rax, rcx
    mov rcx, rdx
    shr rcx, 3
    rep stosq
    mov ecx, edx
    and ecx, 7
    rep stosb
    mov rax, r8
    ret

    .globl memcmp
    .globl bcmp
memcmp:
bcmp:
    xor eax, eax
    mov rcx, rdx
    cmp rcx, rcx                        # equal if there is nothing to compare
    repe cmpsb
    je 2f
    movzx eax, byte ptr [rdi - 1]
    movzx ecx, byte ptr [rsi - 1]
    sub ecx, eax
    mov eax, ecx
2:  ret
    .popsection
    "#
);

/// `length` bytes at `address`.
///
/// # Safety
/// They are mapped, readable, and nobody writes to them as long as the slice is used.
pub unsafe fn bytes(address: u64, length: u64) -> &'static [u8] {
    let (Ok(address), Ok(length)) = (usize::try_from(address), usize::try_from(length)) else {
        return &[];
    };
    if address == 0 {
        return &[];
    }
    // SAFETY: by the caller's promise; any byte is a valid u8.
    unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(address), length) }
}

/// `length` bytes at `address`, to write to.
///
/// # Safety
/// They are mapped, writable, and nobody else uses them as long as the slice is used.
pub unsafe fn bytes_mut(address: u64, length: u64) -> &'static mut [u8] {
    let (Ok(address), Ok(length)) = (usize::try_from(address), usize::try_from(length)) else {
        return &mut [];
    };
    if address == 0 {
        return &mut [];
    }
    let start = core::ptr::with_exposed_provenance_mut(address);
    // SAFETY: by the caller's promise; any byte is a valid u8.
    unsafe { core::slice::from_raw_parts_mut(start, length) }
}

/// The value at `address`.
///
/// # Safety
/// It is mapped, readable, and a `T`.
pub unsafe fn read<T: Copy>(address: u64) -> T {
    #[expect(clippy::cast_possible_truncation, reason = "addresses have 64 bits here")]
    let pointer: *const T = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: by the caller's promise.
    unsafe { pointer.read_unaligned() }
}

/// The address of a value, as firmware takes it.
pub fn address_of<T>(value: &mut T) -> u64 {
    core::ptr::from_mut(value).expose_provenance() as u64
}
