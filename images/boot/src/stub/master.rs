//! The boot sector of a disk: reads the bzImage and starts it, as a Linux boot loader does.
//!
//! In 440 bytes, by the BIOS' extended disk services (INT 13h, AH = 42h) and its copy to high memory
//! (INT 15h, AH = 87h). Where the bzImage is, `cargo xtask` writes into it: the number of sectors of
//! 512 bytes at 420 (4 bytes), the first of them at 432 (8 bytes).
//!
//! Memory: the bzImage's first 4096 bytes at 0x10000, its segment up to 0x18000; sectors on their
//! way at 0x20000; the rest of the bzImage from 1 MiB on.
//!
//! A failure is said on the screen and on the first serial port; then INT 18h lets the BIOS go on
//! with its next device.

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .master, "ax", @progbits
    .code16
master:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7C00
    push ax
    push offset master_here_at             # some BIOSes start at 07C0:0000
    .byte 0xCB                          # retf, of 16 bits
master_here:
    sti
    mov [master_drive_at], dl

    # The setup code.
    call master_read
    mov ax, 0x1000
    mov fs, ax
    mov si, offset master_no_kernel_at
    cmp dword ptr fs:[0x202], 0x53726448   # "HdrS"
    jne master_fail
    sub dword ptr [master_left_at], 8
    jbe master_fail

    # The rest, 64 sectors at a time.
    mov word ptr [master_packet_segment_at], 0x2000
2:  mov ecx, [master_left_at]
    cmp ecx, 64
    jbe 3f
    mov ecx, 64
3:  mov [master_packet_count_at], cx
    sub [master_left_at], ecx
    call master_read
    mov cx, [master_packet_count_at]
    shl cx, 8                           # 256 words a sector
    mov si, offset master_move_at
    mov ah, 0x87
    int 0x15
    mov si, offset master_no_copy_at
    jc master_fail
    movzx ecx, word ptr [master_packet_count_at]
    shl ecx, 9
    add [master_move_to_at], ecx        # the upper byte, of present and writable data, stays
    cmp dword ptr [master_left_at], 0
    jne 2b

    # What a loader says: who it is (nobody known), and up to where the segment is free.
    mov byte ptr fs:[0x210], 0xFF
    or byte ptr fs:[0x211], 0x80
    mov word ptr fs:[0x224], 0x7E00
    cli
    mov ax, fs
    mov ds, ax
    mov es, ax
    mov gs, ax
    mov ss, ax
    mov sp, 0x8000
    push 0x1020
    push 0
    .byte 0xCB                          # retf, of 16 bits

    # Reads what the packet says, and moves its sector on.
master_read:
    mov si, offset master_packet_at
    mov dl, [master_drive_at]
    mov ah, 0x42
    int 0x13
    mov si, offset master_no_disk_at
    jc master_fail
    movzx eax, word ptr [master_packet_count_at]
    add [master_packet_sector_at], eax
    adc dword ptr [master_packet_sector_at + 4], 0
    ret

    # Says what si points to.
master_fail:
    push si
    mov ax, 0x00E3                      # 9600 baud, 8 data bits
    xor dx, dx
    int 0x14
    mov si, offset master_prefix_at
    call master_say
    pop si
    call master_say
    mov si, offset master_end_at
    call master_say
    int 0x18
4:  cli
    hlt
    jmp 4b

master_say:
    lodsb
    test al, al
    jz 5f
    mov ah, 0x0E
    mov bx, 7
    int 0x10
    mov ah, 1
    xor dx, dx
    int 0x14
    jmp master_say
5:  ret

master_prefix:
    .asciz "aerolith: cannot boot: "
master_no_disk:
    .asciz "disk read error"
master_no_copy:
    .asciz "too little memory"
master_no_kernel:
    .asciz "no kernel where it should be"
master_end:
    .asciz "\r\n"

master_drive:
    .byte 0

    # Descriptors for the copy; each: limit, address (24 bits), rights, more of both.
    .balign 4
master_move:
    .quad 0, 0
    .word 0xFFFF
    .long 0x93020000
    .word 0
    .word 0xFFFF
master_move_to:
    .long 0x93100000
    .word 0
    .quad 0, 0

    # The bzImage's sectors that are still to be read.
    .org 420
master_left:
    .long 0
    # What is read next: at first the setup code, to 0x1000:0.
master_packet:
    .byte 16, 0
master_packet_count:
    .word 8
    .word 0
master_packet_segment:
    .word 0x1000
master_packet_sector:
    .quad 0

    # Where the BIOS puts things, by their addresses.
    .set master_drive_at, master_drive - master + 0x7C00
    .set master_end_at, master_end - master + 0x7C00
    .set master_here_at, master_here - master + 0x7C00
    .set master_left_at, master_left - master + 0x7C00
    .set master_move_at, master_move - master + 0x7C00
    .set master_move_to_at, master_move_to - master + 0x7C00
    .set master_no_copy_at, master_no_copy - master + 0x7C00
    .set master_no_disk_at, master_no_disk - master + 0x7C00
    .set master_no_kernel_at, master_no_kernel - master + 0x7C00
    .set master_packet_at, master_packet - master + 0x7C00
    .set master_packet_count_at, master_packet_count - master + 0x7C00
    .set master_packet_sector_at, master_packet_sector - master + 0x7C00
    .set master_packet_segment_at, master_packet_segment - master + 0x7C00
    .set master_prefix_at, master_prefix - master + 0x7C00
    .code64
    .popsection
    "#
);
