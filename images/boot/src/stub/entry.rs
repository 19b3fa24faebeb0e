//! The entries of a bzImage, from their first instructions to Rust.
//!
//! The stub runs wherever it was loaded: 32-bit code knows it by `ebp`, 64-bit code is
//! position-independent. Its layout is known to `xtask/src/image`:
//! 32-bit entry at 0, 64-bit entry at 0x200, EFI's entry at 0x400; at 0x600 a word that says
//! how many bytes the whole image has from the stub on, written by `cargo xtask`, then `kernel_info`. Behind the stub
//! comes the scratch memory, then a page with the image's own command line, then the kernel.
//!
//! Scratch memory: page tables, then a stack, then what holds addresses.

use core::arch::global_asm;

use boot_code::page_tables::TABLES;

use super::kernel::enter_from_copy;
use super::linux::boot_by_linux_protocol;
use super::{efi, failure};

/// Bytes of stack in the scratch memory.
pub const STACK_BYTES: usize = 16 << 10;
/// Where the number of the image's bytes is.
pub const IMAGE_BYTES_AT: usize = 0x600;
/// Where the linker script puts the stub.
const LINKED: usize = 0x1_0000;
/// Bytes of the page with the image's own command line.
pub const COMMAND_LINE_PAGE: usize = 4096;

global_asm!(
    r#"
    .pushsection .scratch, "aw", @progbits
    .balign 4096
    .globl stub_tables
stub_tables:
    .skip {tables} * 4096
    .globl stub_stack
stub_stack:
    .skip {stack}
stub_stack_top:
stub_flags:                             # the flags with which the firmware runs
    .quad 0
    .popsection

    .pushsection .stub.start, "ax", @progbits
    .balign 4096
    .globl stub_start
stub_start:
    # 32-bit protected mode without paging, flat segments; esi = boot_params. The protocol gives
    # no stack; four bytes of boot_params are there for this call.
    .code32
    cli
    cld
    lea esp, [esi + 0x1E8]
    call stub_here
stub_here:
    pop ebp
    sub ebp, offset stub_here_at
    lea ebx, [ebp + stub_to_tables_at]
    add ebx, [ebx]                      # the tables
    lea esp, [ebx + {tables} * 4096 + {stack}]
    mov [esp - 4], ebx
    sub esp, 4
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb stub_no_long_mode
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jnc stub_no_long_mode
    # The low 4 GiB, by 2 MiB pages: a root, one table below it, four below that.
    pop ebx
    mov edi, ebx
    xor eax, eax
    mov ecx, 6 * 1024
    rep stosd
    lea eax, [ebx + 4096 + 3]
    mov [ebx], eax
    lea edi, [ebx + 4096]
    mov ecx, 4
2:  add eax, 4096
    mov [edi], eax
    add edi, 8
    loop 2b
    lea edi, [ebx + 2 * 4096]
    mov eax, 0x83
    mov ecx, 2048
3:  mov [edi], eax
    add edi, 8
    add eax, 0x200000
    loop 3b
    mov eax, 0x620                      # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov cr3, ebx
    mov ecx, 0xC0000080                 # EFER
    rdmsr
    or eax, 0x100                       # LME
    wrmsr
    mov eax, 0x80000033                 # PG, NE, ET, MP, PE
    mov cr0, eax
    lea eax, [ebp + stub_gdt_at]
    push eax
    sub esp, 2
    mov word ptr [esp], 31
    lgdt [esp]
    lea eax, [ebp + stub_from_32_at]
    push 0x10
    push eax
    retf

    .code64
    .org stub_start + 0x200
    # 64-bit mode; rsi = boot_params. Not relied on: the stack, SSE, the descriptor tables.
stub_long:
    cli
    cld
    lea rsp, [rip + stub_stack_top]
    mov rax, cr4
    or eax, 0x600                       # OSFXSR, OSXMMEXCPT
    mov cr4, rax
    mov rax, cr0
    and eax, 0xFFFFFFF3                 # not EM, not TS
    or eax, 2                           # MP
    mov cr0, rax
    fninit
    push 0x1F80
    ldmxcsr [rsp]
    add rsp, 8
    mov rbx, rsi
    call stub_relocate
    mov rdi, rbx
    lea rsi, [rip + stub_start]
    lea rdx, [rip + stub_tables]
    lea rcx, [rip + stub_end]
    xor ebp, ebp
    call {linux}
    ud2

stub_from_32:
    mov esi, esi                        # the upper half is undefined
    jmp stub_long

    # Adds the distance from where it was linked to to every address in the scratch memory, however
    # often it is called. All relocations are of type R_X86_64_RELATIVE (`cargo xtask` checks that).
    # Changes rax, rcx, rdx, rdi and rsi.
stub_relocate:
    lea rax, [rip + stub_start]
    sub rax, {linked}
    lea rsi, [rip + stub_relocations]
    lea rcx, [rip + stub_relocations_end]
2:  cmp rsi, rcx
    jae 3f
    mov rdi, [rsi]                      # offset, type, addend
    mov rdx, [rsi + 16]
    add rdx, rax
    mov [rdi + rax], rdx
    add rsi, 24
    jmp 2b
3:  ret

    # Goes on in a copy of the image at rsi, with boot_params at rdi, under the page tables at rdx.
    .globl stub_go_on
stub_go_on:
    cli
    mov rax, cr4
    and eax, 0x1000                     # LA57 stays; shadow stacks, PCIDE, PGE and others go
    or eax, 0x620                       # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, rax
    mov cr3, rdx
    lea rax, [rip + stub_start]
    lea rcx, [rip + stub_continued]
    lea rdx, [rip + stub_stack_top]
    sub rcx, rax
    sub rdx, rax
    lea rsp, [rsi + rdx]
    add rcx, rsi
    xor ebp, ebp
    jmp rcx
stub_continued:
    mov rbx, rdi
    call stub_relocate
    mov rdi, rbx
    lea rsi, [rip + stub_start]
    lea rdx, [rip + stub_tables]
    lea rcx, [rip + stub_end]
    call {copy}
    ud2

    # Enters the kernel at rsi by the 64-bit Linux protocol, with boot_params at rdi.
    .globl stub_enter_kernel
stub_enter_kernel:
    mov rax, rsi
    mov rsi, rdi
    jmp rax

    .org stub_start + 0x400
    # EFI: rcx = image handle, rdx = system table; the firmware's stack. Its calling convention
    # keeps more registers than Rust's does here.
stub_efi:
    push rbp
    mov rbp, rsp
    push rbx
    push rsi
    push rdi
    push r12
    push r13
    push r14
    push r15
    pushfq
    cli
    cld
    mov rax, [rsp]
    mov [rip + stub_flags], rax
    sub rsp, 160
    and rsp, -16
    movups [rsp], xmm6
    movups [rsp + 16], xmm7
    movups [rsp + 32], xmm8
    movups [rsp + 48], xmm9
    movups [rsp + 64], xmm10
    movups [rsp + 80], xmm11
    movups [rsp + 96], xmm12
    movups [rsp + 112], xmm13
    movups [rsp + 128], xmm14
    movups [rsp + 144], xmm15
    mov rbx, rcx
    mov r12, rdx
    call stub_relocate
    mov rdi, rbx
    mov rsi, r12
    lea rdx, [rip + stub_start]
    lea rcx, [rip + stub_tables]
    lea r8, [rip + stub_end]
    call {efi}
    movups xmm6, [rsp]
    movups xmm7, [rsp + 16]
    movups xmm8, [rsp + 32]
    movups xmm9, [rsp + 48]
    movups xmm10, [rsp + 64]
    movups xmm11, [rsp + 80]
    movups xmm12, [rsp + 96]
    movups xmm13, [rsp + 112]
    movups xmm14, [rsp + 128]
    movups xmm15, [rsp + 144]
    lea rsp, [rbp - 64]
    popfq
    pop r15
    pop r14
    pop r13
    pop r12
    pop rdi
    pop rsi
    pop rbx
    pop rbp
    ret

    # Calls the firmware: rdi = its function, then five arguments. Interrupts are as the firmware had
    # them only within: their handlers use the stack below, where the code around keeps data (the red
    # zone). Small firmware has them off, and no handlers: the first one would be the machine's end.
    .globl stub_firmware
stub_firmware:
    push rbp
    mov rbp, rsp
    sub rsp, 48
    and rsp, -16
    mov [rsp + 32], r9
    mov rax, rdi
    mov r9, r8
    mov r8, rcx
    mov rcx, rsi
    push [rip + stub_flags]
    popfq
    call rax
    cli
    mov rsp, rbp
    pop rbp
    ret

    .org stub_start + {image_bytes_at}
    .globl stub_image_bytes
stub_image_bytes:
    .quad 0
    # The protocol's kernel_info: its bytes, twice, and no type of setup data that would be understood.
    .ascii "LToP"
    .long 16, 16, 0

    # No 64-bit mode: says so and ends, with the exit code for it where the command line names a port.
    .code32
stub_no_long_mode:
    lea edi, [ebp + stub_no_long_mode_text_at]
    mov edx, 0x3F8
4:  mov al, [edi]
    inc edi
    test al, al
    jz 5f
    out dx, al
    jmp 4b
5:  mov edi, [esi + 0x228]              # the command line
    test edi, edi
    jz 9f
    mov ecx, 4096
6:  cmp byte ptr [edi], 0
    je 9f
    cmp dword ptr [edi], 0x3D746978     # "xit="
    jne 7f
    cmp dword ptr [edi + 4], 0x34667830 # "0xf4", where the tests have their port
    je 8f
7:  inc edi
    loop 6b
    jmp 9f
8:  mov al, {cannot_boot}
    mov edx, 0xF4
    out dx, al
9:  mov edx, 0x604                      # off, as QEMU's machines do it
    mov eax, 0x2000
    out dx, ax
10: cli
    hlt
    jmp 10b

    .balign 4
stub_to_tables:
    .long stub_tables - .
    .balign 8
stub_gdt:
    .quad 0
    .quad 0
    .quad 0x00AF9B000000FFFF            # 0x10: 64-bit code
    .quad 0x00CF93000000FFFF            # 0x18: data
stub_no_long_mode_text:
    .asciz "aerolith: cannot boot: the CPU has no 64-bit mode\r\n"

    # Where things are from the start.
    .set stub_from_32_at, stub_from_32 - stub_start
    .set stub_gdt_at, stub_gdt - stub_start
    .set stub_here_at, stub_here - stub_start
    .set stub_no_long_mode_text_at, stub_no_long_mode_text - stub_start
    .set stub_to_tables_at, stub_to_tables - stub_start
    .code64
    .popsection
    "#,
    tables = const TABLES,
    linked = const LINKED,
    stack = const STACK_BYTES,
    image_bytes_at = const IMAGE_BYTES_AT,
    cannot_boot = const failure::CANNOT_BOOT,
    linux = sym boot_by_linux_protocol,
    copy = sym enter_from_copy,
    efi = sym efi::begin,
);
