//! The 16-bit start of a bzImage: gathers what only a BIOS knows, and goes to protected mode.
//!
//! Specification: Linux Documentation/arch/x86/boot.rst. Loaded at the start of a segment with
//! 32 KiB that are ours, entered at offset 0x200 with `cs` 0x20 above the segment. The header in the
//! first sector is written by `cargo xtask`; loaders fill in the rest. The segment: this code below
//! 0x1000, `boot_params` at 0x3000, the stack below 0x8000.
//!
//! What is missing later (a memory map, a 64-bit CPU) is said later, where it can end with an exit
//! code; only a gate A20 that stays closed ends here: nothing at 1 MiB can be reached then.

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .setup, "ax", @progbits
    .code16
setup:
    .org 0x200
    .byte 0xEB, 0x6A                    # a short jump, whose length says how long the header is
    .org 0x26C
setup_start:
    cli
    cld
    mov ax, cs
    sub ax, 0x20
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x8000
    push ax
    push offset setup_here_at
    .byte 0xCB                          # retf, of 16 bits
setup_here:
    sti

    # boot_params: nothing but the header.
    mov di, 0x3000
    mov cx, 0x800
    xor ax, ax
    rep stosw
    mov si, 0x1F1
    mov di, 0x31F1
    movzx cx, byte ptr [0x201]
    add cx, 0x11
    rep movsb

    # The memory map, entry by entry, as far as there is room.
    xor ebx, ebx
    mov di, 0x32D0
3:  mov eax, 0xE820
    mov ecx, 20
    mov edx, 0x534D4150                 # "SMAP"
    int 0x15
    jc 5f
    cmp eax, 0x534D4150
    jne 5f
    cmp ecx, 20
    jne 4f
    inc byte ptr [0x31E8]
    add di, 20
    cmp byte ptr [0x31E8], 128
    jae 5f
4:  test ebx, ebx
    jnz 3b
5:
    # Gate A20: by the BIOS, else by the fast way.
    call setup_a20_is_open
    jnz 6f
    mov ax, 0x2401
    int 0x15
    call setup_a20_is_open
    jnz 6f
    in al, 0x92
    or al, 2
    and al, 0xFE                        # bit 0 would reset
    out 0x92, al
    call setup_a20_is_open
    jnz 6f
    mov si, offset setup_closed_at
    call setup_say
    mov dx, 0x604                       # off, as QEMU's machines do it
    mov ax, 0x2000
    out dx, ax
7:  cli
    hlt
    jmp 7b

6:  cli
    xor ecx, ecx
    mov cx, ds
    shl ecx, 4
    lea esi, [ecx + 0x3000]
    lea ebx, [ecx + setup_protected_at]
    add ecx, offset setup_gdt_at
    mov [setup_gdt_pointer_at + 2], ecx
    lgdt [setup_gdt_pointer_at]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66                          # of 32 bits
    push 0x10
    push ebx
    .byte 0x66, 0xCB                    # retf, of 32 bits

    # Whether the bytes at 1 MiB are others than those at 0: then the flag Z is not set.
setup_a20_is_open:
    push ds
    push es
    xor ax, ax
    mov ds, ax
    dec ax
    mov es, ax
    mov cx, 32
8:  mov ax, ds:[0x500]
    inc ax
    mov ds:[0x500], ax
    cmp ax, es:[0x510]
    loope 8b
    pop es
    pop ds
    ret

setup_say:
    lodsb
    test al, al
    jz 9f
    mov ah, 0x0E
    mov bx, 7
    int 0x10
    mov ah, 1
    xor dx, dx
    int 0x14
    jmp setup_say
9:  ret

setup_closed:
    .asciz "aerolith: cannot boot: gate A20 stays closed\r\n"

    .balign 8
setup_gdt:
    .quad 0
    .quad 0
    .quad 0x00CF9B000000FFFF            # 0x10: 32-bit code
    .quad 0x00CF93000000FFFF            # 0x18: data
setup_gdt_pointer:
    .word 31
    .long 0

    .code32
setup_protected:
    mov eax, 0x18
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    xor ebx, ebx
    xor ebp, ebp
    xor edi, edi
    jmp dword ptr [esi + 0x214]         # the header's code32_start

    # Where things are in the segment.
    .set setup_closed_at, setup_closed - setup
    .set setup_gdt_at, setup_gdt - setup
    .set setup_gdt_pointer_at, setup_gdt_pointer - setup
    .set setup_here_at, setup_here - setup
    .set setup_protected_at, setup_protected - setup
    .code64
    .popsection
    "#
);
