//! The kernel in the image: an ELF64 file whose segments are put where they are linked to.
//!
//! Specification: System V ABI, generic part, chapters 4 and 5; only what a static x86-64
//! executable needs. The kernel comes from the same file as this code, so what is looked for is
//! damage, not malice; still nothing is read or written beyond what was checked.

use crate::limits::{KERNEL_BYTES, SEGMENTS};
use crate::{Failure, Range, u16_at, u32_at, u64_at};

const HEADER_BYTES: usize = 64;
const SEGMENT_HEADER_BYTES: usize = 56;
const LOAD: u32 = 1;
/// Lowest address of a kernel: below are the firmware's and the loaders' structures.
const LOWEST: u64 = 1 << 20;
/// Nothing is loaded from here on.
const END: u64 = 1 << 32;

/// A part of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Where it goes.
    pub place: Range,
    /// What comes first; the rest of the place is zero.
    pub bytes: &'a [u8],
}

/// A kernel that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    file: &'a [u8],
    headers: &'a [u8],
    /// Its 64-bit entry.
    pub entry: u64,
    /// From its first byte in memory to its last.
    pub place: Range,
}

impl<'a> Kernel<'a> {
    /// The kernel at the start of `file`.
    ///
    /// # Errors
    /// [`Failure::BadKernel`] if it is none, or does not fit the file or the address space.
    pub fn parse(file: &'a [u8]) -> Result<Kernel<'a>, Failure> {
        Self::checked(file).ok_or(Failure::BadKernel)
    }

    fn checked(file: &'a [u8]) -> Option<Kernel<'a>> {
        const ELF64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01\x01";
        const EXECUTABLE: u16 = 2;
        const X86_64: u16 = 62;
        let header = file.get(..HEADER_BYTES)?;
        let count = usize::from(u16_at(header, 0x38)?);
        let right = header.starts_with(ELF64_LITTLE_ENDIAN)
            && u16_at(header, 0x10)? == EXECUTABLE
            && u16_at(header, 0x12)? == X86_64
            && usize::from(u16_at(header, 0x36)?) == SEGMENT_HEADER_BYTES
            && count <= SEGMENTS;
        let start = usize::try_from(u64_at(header, 0x20)?).ok()?;
        let headers = file.get(start..)?.get(..count * SEGMENT_HEADER_BYTES)?;
        let mut kernel = Kernel {
            file,
            headers,
            entry: u64_at(header, 0x18)?,
            place: Range { start: END, end: 0 },
        };
        for header in kernel.loads() {
            let segment = kernel.segment(header)?;
            let place = &mut kernel.place;
            *place = Range {
                start: place.start.min(segment.place.start),
                end: place.end.max(segment.place.end),
            };
        }
        let entry = Range::new(kernel.entry, 1);
        let enters = kernel.segments().any(|segment| segment.place.overlaps(entry));
        let sized = kernel.place.bytes() <= KERNEL_BYTES;
        (right && enters && sized).then_some(kernel)
    }

    fn loads(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let all = self.headers.chunks_exact(SEGMENT_HEADER_BYTES);
        all.filter(|header| u32_at(header, 0) == Some(LOAD) && u64_at(header, 0x28) != Some(0))
    }

    fn segment(&self, header: &[u8]) -> Option<Segment<'a>> {
        let offset = usize::try_from(u64_at(header, 0x08)?).ok()?;
        let place = Range::new(u64_at(header, 0x18)?, u64_at(header, 0x28)?);
        let length = u64_at(header, 0x20)?;
        let bytes = self.file.get(offset..)?.get(..usize::try_from(length).ok()?)?;
        let fits = LOWEST <= place.start && place.end <= END && length <= place.bytes();
        fits.then_some(Segment { place, bytes })
    }

    /// Its parts.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> {
        self.loads().filter_map(|header| self.segment(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file with segments (start, bytes in memory, content).
    fn file(entry: u64, segments: &[(u64, u64, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; HEADER_BYTES];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[0x10..0x14].copy_from_slice(&[2, 0, 62, 0]);
        file[0x18..0x20].copy_from_slice(&entry.to_le_bytes());
        file[0x20] = 64;
        file[0x36] = 56;
        file[0x38] = u8::try_from(segments.len()).unwrap();
        let mut offset = HEADER_BYTES + segments.len() * SEGMENT_HEADER_BYTES;
        for (start, memory, content) in segments {
            let mut header = vec![0; SEGMENT_HEADER_BYTES];
            header[0] = 1;
            for (at, value) in [
                (0x08, offset as u64),
                (0x10, *start),
                (0x18, *start),
                (0x20, content.len() as u64),
                (0x28, *memory),
            ] {
                header[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            offset += content.len();
            file.extend(header);
        }
        for (_, _, content) in segments {
            file.extend(*content);
        }
        file
    }

    fn sound() -> Vec<u8> {
        file(0x10_0010, &[(0x10_0000, 0x1000, &[0x90; 64]), (0x10_1000, 0x3000, b"data")])
    }

    #[test]
    fn finds_segments_entry_and_extent() {
        let file = sound();
        let kernel = Kernel::parse(&file).unwrap();
        assert_eq!(kernel.entry, 0x10_0010);
        assert_eq!(kernel.place, Range { start: 0x10_0000, end: 0x10_4000 });
        let segments: Vec<_> = kernel.segments().collect();
        assert_eq!(segments[1], Segment { place: Range::new(0x10_1000, 0x3000), bytes: b"data" });
        assert_eq!(segments.len(), 2);
    }

    #[test]
    fn refuses_what_is_cut_off_or_lies_elsewhere() {
        let bad = |file: &[u8]| Kernel::parse(file).err() == Some(Failure::BadKernel);
        let whole = sound();
        assert!((0..whole.len()).all(|length| bad(&whole[..length])));
        assert!(bad(&file(0x10_0000, &[])), "no segment");
        assert!(bad(&file(0x20_0000, &[(0x10_0000, 64, b"x")])), "entry outside");
        assert!(bad(&file(0xF_F000, &[(0xF_F000, 64, b"x")])), "below 1 MiB");
        assert!(bad(&file(END - 64, &[(END - 64, 65, b"x")])), "beyond 4 GiB");
        assert!(!bad(&file(END - 64, &[(END - 64, 64, b"x")])));
        assert!(bad(&file(0x10_0000, &[(0x10_0000, 1, b"xy")])), "more bytes than memory");
    }

    #[test]
    fn bounds_hold_at_their_values() {
        let bad = |file: &[u8]| Kernel::parse(file).is_err();
        let segments = |count: usize| vec![(0x10_0000, 1, &b"x"[..]); count];
        assert!(!bad(&file(0x10_0000, &segments(SEGMENTS))));
        assert!(bad(&file(0x10_0000, &segments(SEGMENTS + 1))));
        assert!(!bad(&file(0x10_0000, &[(0x10_0000, KERNEL_BYTES, b"x")])));
        assert!(bad(&file(0x10_0000, &[(0x10_0000, KERNEL_BYTES + 1, b"x")])));
    }

    proptest! {
        #[test]
        fn damage_never_leads_beyond_the_file_or_the_address_space(
            hits in prop::collection::vec((0usize..200, any::<u8>()), 0..6),
        ) {
            let mut file = sound();
            for (at, value) in hits {
                if let Some(byte) = file.get_mut(at) {
                    *byte = value;
                }
            }
            if let Ok(kernel) = Kernel::parse(&file) {
                for segment in kernel.segments() {
                    prop_assert!(segment.bytes.len() as u64 <= segment.place.bytes());
                    prop_assert!(kernel.place.start <= segment.place.start);
                    prop_assert!(segment.place.end <= kernel.place.end);
                }
                prop_assert!(LOWEST <= kernel.place.start && kernel.place.end <= END);
            }
        }
    }
}
