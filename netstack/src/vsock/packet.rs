//! The header of a packet (virtio 1.2, section 5.10.6), and what it may say.

/// Bytes of a header.
pub const HEADER_BYTES: usize = 44;

/// The type of a connection that carries a stream of bytes, the only one there is here.
pub const STREAM: u16 = 1;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Operation {
    /// Asks for a connection.
    Request = 1,
    /// Accepts it.
    Response = 2,
    /// Refuses it, or ends it at once.
    Reset = 3,
    /// Says what the sender will not do any more: see [`NO_RECEIVE`] and [`NO_SEND`].
    Shutdown = 4,
    /// Carries data.
    Data = 5,
    /// Tells how much room there is.
    CreditUpdate = 6,
    /// Asks to be told how much room there is.
    CreditRequest = 7,
}

/// Flag of [`Operation::Shutdown`]: the sender will receive nothing more.
pub const NO_RECEIVE: u32 = 1;
/// Flag of [`Operation::Shutdown`]: the sender will send nothing more.
pub const NO_SEND: u32 = 2;

impl Operation {
    /// The operation of this number.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Request,
            2 => Self::Response,
            3 => Self::Reset,
            4 => Self::Shutdown,
            5 => Self::Data,
            6 => Self::CreditUpdate,
            7 => Self::CreditRequest,
            _ => return None,
        })
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The machine's number: 2 is the host.
    pub cid: u64,
    /// The port there.
    pub port: u32,
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where the packet comes from.
    pub from: Address,
    /// Where it goes.
    pub to: Address,
    /// Bytes of data behind the header.
    pub length: u32,
    /// [`STREAM`], or something else that is not served.
    pub kind: u16,
    /// The number of an [`Operation`].
    pub operation: u16,
    /// Flags of the operation.
    pub flags: u32,
    /// Bytes that the sender keeps for what it receives on this connection.
    pub buffer: u32,
    /// Bytes that it has taken out of there, modulo 2³².
    pub forwarded: u32,
}

impl Header {
    /// The header and the data of a packet; nothing if it is shorter than it says it is.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = packet.split_first_chunk::<HEADER_BYTES>()?;
        let mut fields = Fields(head);
        let [from_cid, to_cid] = [fields.u64(), fields.u64()];
        let [from_port, to_port, length] = [fields.u32(), fields.u32(), fields.u32()];
        let [kind, operation] = [fields.u16(), fields.u16()];
        let [flags, buffer, forwarded] = [fields.u32(), fields.u32(), fields.u32()];
        let data = rest.get(..usize::try_from(length).ok()?)?;
        let header = Self {
            from: Address { cid: from_cid, port: from_port },
            to: Address { cid: to_cid, port: to_port },
            length,
            kind,
            operation,
            flags,
            buffer,
            forwarded,
        };
        Some((header, data))
    }

    /// The bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            for (to, from) in bytes.iter_mut().skip(at).zip(field) {
                *to = *from;
            }
            at += field.len();
        };
        put(&self.from.cid.to_le_bytes());
        put(&self.to.cid.to_le_bytes());
        put(&self.from.port.to_le_bytes());
        put(&self.to.port.to_le_bytes());
        put(&self.length.to_le_bytes());
        put(&self.kind.to_le_bytes());
        put(&self.operation.to_le_bytes());
        put(&self.flags.to_le_bytes());
        put(&self.buffer.to_le_bytes());
        put(&self.forwarded.to_le_bytes());
        bytes
    }
}

/// Little-endian numbers, one behind the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.next())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.next())
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn a_request_has_the_bytes_that_the_standard_asks_for() {
        let header = Header {
            from: Address { cid: 3, port: 0x400 },
            to: Address { cid: 2, port: 0x34 },
            length: 0,
            kind: STREAM,
            operation: Operation::Request as u16,
            flags: 0,
            buffer: 0x4_0000,
            forwarded: 0,
        };
        let mut expected = Vec::from([3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 4, 0, 0, 0x34, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0]);
        expected.extend([0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(header.encode().to_vec(), expected);
        assert_eq!(Header::decode(&expected), Some((header, &[][..])));
    }

    #[test]
    fn a_packet_that_says_it_is_longer_is_none() {
        let mut packet = alloc::vec![0; HEADER_BYTES + 5];
        packet[24] = 5;
        assert_eq!(Header::decode(&packet).unwrap().1.len(), 5);
        packet[24] = 6;
        assert_eq!(Header::decode(&packet), None);
        assert_eq!(Header::decode(&packet[..HEADER_BYTES - 1]), None);
    }

    #[test]
    fn operations_are_known_by_their_numbers() {
        for number in 0..=u16::MAX {
            match Operation::of(number) {
                Some(operation) => assert_eq!(operation as u16, number),
                None => assert!(number == 0 || number > 7),
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_headers_come_back(
            packet in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            if let Some((header, data)) = Header::decode(&packet) {
                prop_assert_eq!(&packet[..HEADER_BYTES], &header.encode()[..]);
                prop_assert!(data.len() <= packet.len() - HEADER_BYTES);
            }
        }

        #[test]
        fn a_header_survives_the_way_there(
            numbers in any::<[u32; 6]>(),
            kinds in any::<[u16; 2]>(),
            cids in any::<[u64; 2]>(),
        ) {
            let [a, b, length, flags, buffer, forwarded] = numbers;
            let header = Header {
                from: Address { cid: cids[0], port: a },
                to: Address { cid: cids[1], port: b },
                length: length % 64,
                kind: kinds[0],
                operation: kinds[1],
                flags,
                buffer,
                forwarded,
            };
            let mut packet: Vec<u8> = header.encode().to_vec();
            packet.resize(HEADER_BYTES + 64, 7);
            let (decoded, data) = Header::decode(&packet).unwrap();
            prop_assert_eq!(decoded, header);
            prop_assert_eq!(data.len(), header.length as usize);
        }
    }
}
