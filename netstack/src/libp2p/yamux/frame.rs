//! The frame header: 12 bytes, big-endian.

use super::Violation;

/// Length of every header.
pub(super) const HEADER_BYTES: usize = 12;
const VERSION: u8 = 0;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    WindowUpdate,
    Ping,
    GoAway,
}

/// Marks of a frame; unknown ones mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    pub(super) const NONE: Self = Self(0);
    pub(super) const SYN: Self = Self(1);
    pub(super) const ACK: Self = Self(2);
    pub(super) const FIN: Self = Self(4);
    pub(super) const RST: Self = Self(8);

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A frame without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) flags: Flags,
    pub(super) stream: u32,
    /// Bytes of payload, bytes of credit, value of a ping, or code: by kind.
    pub(super) length: u32,
}

impl Header {
    pub(super) const fn parse(bytes: [u8; HEADER_BYTES]) -> Result<Self, Violation> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        if version != VERSION {
            return Err(Violation::Version);
        }
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::WindowUpdate,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            _ => return Err(Violation::Type),
        };
        Ok(Self {
            kind,
            flags: Flags(u16::from_be_bytes([f0, f1])),
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }

    pub(super) const fn emit(self) -> [u8; HEADER_BYTES] {
        let kind = match self.kind {
            Kind::Data => 0,
            Kind::WindowUpdate => 1,
            Kind::Ping => 2,
            Kind::GoAway => 3,
        };
        let ([f0, f1], [s0, s1, s2, s3], [l0, l1, l2, l3]) =
            (self.flags.0.to_be_bytes(), self.stream.to_be_bytes(), self.length.to_be_bytes());
        [VERSION, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_those_of_a_recorded_connection() {
        let syn = Header { kind: Kind::WindowUpdate, flags: Flags::SYN, stream: 2, length: 0 };
        assert_eq!(syn.emit(), [0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]);
        let grown = [0, 1, 0, 0, 0, 0, 0, 1, 0, 4, 0, 0x14];
        let header = Header::parse(grown).unwrap();
        assert_eq!((header.kind, header.stream, header.length), (Kind::WindowUpdate, 1, 262_164));
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(bytes: [u8; HEADER_BYTES]) {
            match Header::parse(bytes) {
                Ok(header) => prop_assert_eq!(header.emit(), bytes),
                Err(Violation::Version) => prop_assert_ne!(bytes[0], 0),
                Err(violation) => {
                    prop_assert_eq!(violation, Violation::Type);
                    prop_assert!(bytes[1] > 3);
                }
            }
        }
    }
}
