//! Frame headers and masks (RFC 6455 sections 5.2 and 5.3).

use alloc::vec::Vec;

use super::limits::CONTROL_BYTES;

/// The longest header: two bytes, a length of eight, a mask of four.
pub(super) const LONGEST_HEADER: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The key that a payload is masked with.
pub(super) type Mask = [u8; 4];

/// A frame without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The last frame of its message.
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<Mask>,
    /// Bytes of the payload.
    pub(super) length: u64,
}

/// Not a header that RFC 6455 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

impl Opcode {
    fn parse(bits: u8) -> Result<Self, Invalid> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return Err(Invalid),
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Bytes of the header whose second byte this is.
pub(super) fn header_bytes(second: u8) -> usize {
    let length = match second & !MASKED {
        LENGTH_16 => 2,
        LENGTH_64 => 8,
        _ => 0,
    };
    2 + length + if second & MASKED == 0 { 0 } else { 4 }
}

impl Header {
    /// Reads a header; `bytes` are exactly those of [`header_bytes`].
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let ([first, second], rest) = bytes.split_first_chunk().ok_or(Invalid)?;
        if first & RESERVED != 0 {
            return Err(Invalid);
        }
        let opcode = Opcode::parse(first & 0x0F)?;
        let (length, rest) = match second & !MASKED {
            LENGTH_16 => {
                let (length, rest) = rest.split_first_chunk().ok_or(Invalid)?;
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            LENGTH_64 => {
                let (length, rest) = rest.split_first_chunk().ok_or(Invalid)?;
                (u64::from_be_bytes(*length), rest)
            }
            length => (u64::from(length), rest),
        };
        let (mask, rest) = if second & MASKED == 0 {
            (None, rest)
        } else {
            let (mask, rest) = rest.split_first_chunk().ok_or(Invalid)?;
            (Some(*mask), rest)
        };
        let header = Self { is_final: first & FIN != 0, opcode, mask, length };
        if rest.is_empty() && header.is_allowed(bytes.len()) { Ok(header) } else { Err(Invalid) }
    }

    /// The shortest form of the length, no highest bit, and control frames in one small piece.
    fn is_allowed(&self, bytes: usize) -> bool {
        let control =
            !self.opcode.is_control() || (self.is_final && self.length <= CONTROL_BYTES as u64);
        control && i64::try_from(self.length).is_ok() && self.header_bytes() == bytes
    }

    fn header_bytes(&self) -> usize {
        let length = match self.length {
            0..126 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length + if self.mask.is_some() { 4 } else { 0 }
    }

    /// Writes the header so that it ends where `room` ends; where it begins.
    pub(super) fn emit_before(&self, room: &mut [u8; LONGEST_HEADER]) -> usize {
        let start = LONGEST_HEADER - self.header_bytes();
        let mut bytes = Vec::with_capacity(LONGEST_HEADER);
        self.emit(&mut bytes);
        room.iter_mut().skip(start).zip(bytes).for_each(|(slot, byte)| *slot = byte);
        start
    }

    /// Appends the header.
    pub(super) fn emit(&self, bytes: &mut Vec<u8>) {
        let fin = if self.is_final { FIN } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        bytes.push(fin | self.opcode.bits());
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(length), _) if length < LENGTH_16 => bytes.push(masked | length),
            (_, Ok(length)) => {
                bytes.push(masked | LENGTH_16);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                bytes.push(masked | LENGTH_64);
                bytes.extend_from_slice(&self.length.to_be_bytes());
            }
        }
        bytes.extend_from_slice(self.mask.as_ref().map_or(&[], Mask::as_slice));
    }
}

/// Masks, or unmasks, a part of a payload that begins `offset` bytes into it.
pub(super) fn apply_mask(bytes: &mut [u8], mut mask: Mask, offset: usize) {
    mask.rotate_left(offset % 4);
    let word = u32::from_ne_bytes(mask);
    let word = u64::from(word) << 32 | u64::from(word);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn headers() -> impl Strategy<Value = Header> {
        let opcode = prop_oneof![
            Just(Opcode::Continuation),
            Just(Opcode::Text),
            Just(Opcode::Binary),
            Just(Opcode::Close),
            Just(Opcode::Ping),
            Just(Opcode::Pong)
        ];
        let length = prop_oneof![0..130u64, 65_530..65_540u64, 0..=i64::MAX.cast_unsigned()];
        (any::<bool>(), opcode, any::<Option<Mask>>(), length).prop_map(
            |(is_final, opcode, mask, length)| {
                let control = opcode.is_control();
                let length = if control { length % 126 } else { length };
                Header { is_final: is_final || control, opcode, mask, length }
            },
        )
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        for bytes in [
            &[0xC2, 0x00][..],                          // a reserved bit
            &[0x83, 0x00],                              // a reserved opcode
            &[0x8B, 0x00],                              // a reserved control opcode
            &[0x09, 0x00],                              // a ping in fragments
            &[0x89, 126, 0x00, 0x7E],                   // a ping of 126 bytes
            &[0x82, 126, 0x00, 0x7D],                   // 125 in the longer form
            &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], // 65535 in the longest form
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],    // the highest bit
            &[0x82],
            &[0x82, 0x81, 1, 2, 3],
            &[0x82, 0x00, 0x00],
        ] {
            assert_eq!(Header::parse(bytes), Err(Invalid), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn headers_read_back(header in headers()) {
            let mut bytes = Vec::new();
            header.emit(&mut bytes);
            prop_assert_eq!(bytes.get(1).map(|second| header_bytes(*second)), Some(bytes.len()));
            prop_assert_eq!(Header::parse(&bytes), Ok(header));
            let mut room = [0; LONGEST_HEADER];
            let start = header.emit_before(&mut room);
            prop_assert_eq!(room.get(start..), Some(bytes.as_slice()));
        }

        #[test]
        fn bytes_that_are_a_header_are_its_only_form(
            bytes in prop::collection::vec(any::<u8>(), 0..=LONGEST_HEADER)
        ) {
            if let Ok(header) = Header::parse(&bytes) {
                let mut again = Vec::new();
                header.emit(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }

        #[test]
        fn a_payload_unmasked_in_parts_is_what_was_masked(
            payload: Vec<u8>, mask: Mask, at: prop::sample::Index
        ) {
            let mut masked = payload.clone();
            apply_mask(&mut masked, mask, 0);
            let expected: Vec<u8> =
                payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            prop_assert_eq!(&masked, &expected);
            let at = at.index(payload.len() + 1);
            let (head, tail) = masked.split_at_mut(at);
            apply_mask(head, mask, 0);
            apply_mask(tail, mask, at);
            prop_assert_eq!(masked, payload);
        }
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        // RFC 6455 section 5.7.
        let header = |is_final, opcode, mask, length| Header { is_final, opcode, mask, length };
        for (bytes, expected) in [
            (vec![0x81, 0x05], header(true, Opcode::Text, None, 5)),
            (
                vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d],
                header(true, Opcode::Text, Some([0x37, 0xfa, 0x21, 0x3d]), 5),
            ),
            (vec![0x01, 0x03], header(false, Opcode::Text, None, 3)),
            (vec![0x80, 0x02], header(true, Opcode::Continuation, None, 2)),
            (vec![0x89, 0x05], header(true, Opcode::Ping, None, 5)),
            (vec![0x82, 0x7E, 0x01, 0x00], header(true, Opcode::Binary, None, 256)),
            (vec![0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], header(true, Opcode::Binary, None, 65536)),
        ] {
            assert_eq!(Header::parse(&bytes), Ok(expected));
        }
        let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply_mask(&mut hello, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&hello, b"Hello");
    }
}
