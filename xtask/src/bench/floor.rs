//! The smallest guest there is: it shows what the firmware costs before any guest begins.

/// Where the guest is loaded.
const BASE: u32 = 0x10_0000;
/// Size of the ELF header and two program headers.
const HEADERS: u32 = 52 + 2 * 32;
/// Size of the note that names the entry.
const NOTE: u32 = 20;

/// An ELF file with a PVH entry that writes `!` and a newline to the first serial port, and halts.
#[must_use]
pub fn image() -> Vec<u8> {
    #[rustfmt::skip]
    let code: [u8; 12] = [
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xb0, b'!', 0xee,       // mov al, '!' ; out dx, al
        0xb0, b'\n', 0xee,      // mov al, '\n' ; out dx, al
        0xfa, 0xf4,             // cli ; hlt
    ];
    let size = NOTE + 12;
    let mut file = Vec::new();
    file.extend_from_slice(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0");
    halves(&mut file, &[2, 3]); // executable, 80386
    words(&mut file, &[1, BASE + NOTE, 52, 0, 0]); // version, entry, program headers, none, flags
    halves(&mut file, &[52, 32, 2, 0, 0, 0]); // sizes and counts
    words(&mut file, &[1, HEADERS, BASE, BASE, size, size, 5, 4]); // PT_LOAD
    words(&mut file, &[4, HEADERS, BASE, BASE, NOTE, NOTE, 4, 4]); // PT_NOTE
    words(&mut file, &[4, 4, 18]); // XEN_ELFNOTE_PHYS32_ENTRY
    file.extend_from_slice(b"Xen\0");
    words(&mut file, &[BASE + NOTE]);
    file.extend_from_slice(&code);
    file
}

fn words(file: &mut Vec<u8>, values: &[u32]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn halves(file: &mut Vec<u8>, values: &[u16]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use object::{Object, ObjectSegment};

    use super::*;

    #[test]
    fn the_floor_is_an_elf_with_its_entry_behind_the_note() {
        let bytes = image();
        let file = object::File::parse(&*bytes).unwrap();
        assert_eq!(file.entry(), u64::from(BASE + NOTE));
        let segment = file.segments().next().unwrap();
        assert_eq!((segment.address(), segment.size()), (u64::from(BASE), u64::from(NOTE + 12)));
        assert_eq!(bytes.len(), usize::try_from(HEADERS + NOTE + 12).unwrap());
    }
}
