//! The first instructions: from either protocol's entry to Rust.
//!
//! Both entries end in `aerolith_start(protocol, info, ticks)` (an `extern "C"` function of the
//! image) with: long mode; the boot page tables in force, which map the low 4 GiB to themselves,
//! writable and executable; flat segments; interrupts off; SSE on, x87 and MXCSR at their initial
//! values; `.bss` zeroed; `rsp` at the top of the main stack and `rbp` zero, so that backtraces
//! end there. `ticks` is the time-stamp counter at the first instruction.
//!
//! `pvh_entry` (Xen x86/HVM direct boot ABI): 32-bit protected mode without paging, flat
//! segments, `ebx` = address of `hvm_start_info`. Nothing else is relied on.
//!
//! `linux64_entry` (Linux 64-bit boot protocol; the ELF's entry): 64-bit mode, `rsi` = address of
//! `boot_params`; the loader's page tables map this image and the parameters to themselves. Not
//! relied on: the stack, the loader's descriptor tables, CR4 and CR0 beyond paging, SSE, the page
//! tables beyond what was said. Five-level paging, which cannot be left in long mode, is kept.

use core::arch::global_asm;

/// Value of the first argument for the PVH entry.
pub const PROTOCOL_PVH: u64 = 1;
/// Value of the first argument for the 64-bit Linux entry.
pub const PROTOCOL_LINUX64: u64 = 2;

global_asm!(
    r#"
    .pushsection .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18                      # name bytes, descriptor bytes, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry                     # QEMU reads eight bytes
    .popsection

    # Page tables of the boot, outside of what is zeroed later. The order matters to the macro.
    .pushsection .boot_tables, "aw", @nobits
    .balign 4096
boot_level5:
    .skip 4096
boot_level4:
    .skip 4096
boot_level3:
    .skip 4096
boot_level2:
    .skip 4 * 4096
    .popsection

    # Makes them: the low 4 GiB by 2 MiB pages. For either mode; di is its full register edi or
    # rdi. Changes eax, ecx and di.
    .macro make_boot_tables di
    lea \di, [boot_level5]
    xor eax, eax
    mov ecx, 3 * 1024
    rep stosd
    mov eax, 0x83                       # present, writable, large
    mov ecx, 2048
77: mov [\di], eax
    mov dword ptr [\di + 4], 0
    add \di, 8
    add eax, 0x200000
    loop 77b
    lea eax, [boot_level4 + 3]          # present, writable
    mov [\di - 7 * 4096], eax
    lea eax, [boot_level3 + 3]
    mov [\di - 6 * 4096], eax
    lea eax, [boot_level2 + 3]
    mov [\di - 5 * 4096], eax
    add eax, 4096
    mov [\di - 5 * 4096 + 8], eax
    add eax, 4096
    mov [\di - 5 * 4096 + 16], eax
    add eax, 4096
    mov [\di - 5 * 4096 + 24], eax
    .endm

    .pushsection .rodata.boot_gdt, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF            # 0x08: 64-bit code
    .quad 0x00CF93000000FFFF            # 0x10: data
boot_gdt_pointer:
    .word 23
    .quad boot_gdt
    .popsection

    .pushsection .text.boot, "ax", @progbits
    .code32
    .globl pvh_entry
pvh_entry:
    cli
    cld
    mov esi, ebx
    rdtsc
    mov edi, eax
    mov ebp, edx
    # Loaders look at what the file holds: the stacks behind it may lie where no RAM is.
    mov ecx, offset too_little_memory_text
    mov eax, 0x5AA5C33C
    mov [__image_end - 4], eax
    cmp [__image_end - 4], eax
    jne 2f
    lea esp, [__stack_main_top]
    mov eax, 0x80000000
    cpuid
    mov ecx, offset no_long_mode_text
    cmp eax, 0x80000001
    jb 2f
    mov eax, 0x80000001
    cpuid
    mov ecx, offset no_long_mode_text
    bt edx, 29                          # long mode
    jnc 2f
    mov ebx, edi
    make_boot_tables edi
    mov eax, 0x620                      # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    lea eax, [boot_level4]
    mov cr3, eax
    mov ecx, 0xC0000080                 # EFER
    rdmsr
    or eax, 0x100                       # LME
    wrmsr
    mov eax, 0x80000033                 # PG, NE, ET, MP, PE; not EM, not TS
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    push 0x08
    lea eax, [1f]
    push eax
    retf
    # A machine that cannot run us: say so on the first serial port, and reset, as a machine that ends does.
    # Nobody has read the command line yet, which may name a port for an exit code.
2:  mov esi, ecx
    mov edx, 0x3F8
3:  lodsb
    test al, al
    jz 4f
    out dx, al
    jmp 3b
4:  mov al, 0xFE                        # by the keyboard controller, else by a triple fault
    out 0x64, al
    lidt [no_interrupt_table]
    int3
7:  hlt
    jmp 7b
no_interrupt_table:
    .long 0, 0
too_little_memory_text:
    .asciz "aerolith: cannot boot: too little memory for the kernel\r\n"
no_long_mode_text:
    .asciz "aerolith: cannot boot: the CPU has no 64-bit mode\r\n"

    .code64
1:  mov r13d, esi
    mov r12d, {pvh}
    mov r14d, ebp
    shl r14, 32
    mov eax, ebx
    or r14, rax
    jmp 5f

    .globl linux64_entry
linux64_entry:
    cli
    cld
    mov r13, rsi
    mov r12d, {linux64}
    rdtsc
    mov r14, rdx
    shl r14, 32
    or r14, rax
    lea rsp, [__stack_main_top]
    make_boot_tables rdi
    mov rax, cr4
    and eax, 0x1000                     # LA57 stays as it is
    lea rcx, [boot_level4]
    jz 6f
    lea rcx, [boot_level5]
6:  or eax, 0x620                       # PAE, OSFXSR, OSXMMEXCPT; PCIDE, PGE and others off
    # CR4 first: clearing CET must come before clearing CR0.WP.
    mov cr4, rax
    mov eax, 0x80000033
    mov cr0, rax
    mov cr3, rcx
    lgdt [boot_gdt_pointer]
    push 0x08
    lea rax, [5f]
    push rax
    retfq

5:  mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    lea rsp, [__stack_main_top]
    fninit
    push 0x1F80
    ldmxcsr [rsp]
    add rsp, 8
    lea rdi, [__bss_start]
    lea rcx, [__bss_end]
    sub rcx, rdi
    shr rcx, 3
    xor eax, eax
    rep stosq
    mov rdi, r12
    mov rsi, r13
    mov rdx, r14
    xor ebp, ebp
    call aerolith_start
7:  cli
    hlt
    jmp 7b
    .popsection
    "#,
    pvh = const PROTOCOL_PVH,
    linux64 = const PROTOCOL_LINUX64,
);
