//! The smallest kernel there is: it shows what is spent before any kernel begins.
//!
//! One ELF64 file with a PVH note and a 64-bit entry, as the unikernel's own: it can take the kernel's
//! place in every artefact. Both entries are the same bytes, which mean the same in 32-bit and in 64-bit
//! mode.

/// Where it is loaded.
const BASE: u32 = 0x10_0000;
/// Size of the ELF header and two program headers.
const HEADERS: u32 = 64 + 2 * 56;
/// Size of the note that names the entry.
const NOTE: u32 = 24;
/// Writes `!` and a newline to the first serial port, and halts.
#[rustfmt::skip]
const CODE: [u8; 12] = [
    0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xb0, b'!', 0xee,       // mov al, '!' ; out dx, al
    0xb0, b'\n', 0xee,      // mov al, '\n' ; out dx, al
    0xfa, 0xf4,             // cli ; hlt
];

/// The file.
#[must_use]
pub fn image() -> Vec<u8> {
    let (base, entry) = (u64::from(BASE), u64::from(BASE + NOTE));
    let headers = u64::from(HEADERS);
    let note = u64::from(NOTE);
    let size = note + CODE.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    halves(&mut file, &[2, 62]); // ET_EXEC, EM_X86_64
    words(&mut file, &[1]); // EV_CURRENT
    longs(&mut file, &[entry, 64, 0]); // entry, program headers, no section headers
    words(&mut file, &[0]); // flags
    halves(&mut file, &[64, 56, 2, 0, 0, 0]); // sizes and counts
    words(&mut file, &[1, 5]); // PT_LOAD, readable and executable
    longs(&mut file, &[headers, base, base, size, size, 4]);
    words(&mut file, &[4, 4]); // PT_NOTE, readable
    longs(&mut file, &[headers, base, base, note, note, 4]);
    words(&mut file, &[4, 8, 18]); // XEN_ELFNOTE_PHYS32_ENTRY
    file.extend_from_slice(b"Xen\0");
    longs(&mut file, &[entry]);
    file.extend_from_slice(&CODE);
    file
}

fn longs(file: &mut Vec<u8>, values: &[u64]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
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
        assert!(file.is_64());
        assert_eq!(file.entry(), u64::from(BASE + NOTE));
        let segment = file.segments().next().unwrap();
        assert_eq!((segment.address(), segment.size()), (u64::from(BASE), u64::from(NOTE + 12)));
        assert_eq!(segment.data().unwrap()[24..], CODE);
        assert_eq!(bytes.len(), usize::try_from(HEADERS + NOTE + 12).unwrap());
    }
}
