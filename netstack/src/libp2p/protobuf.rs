//! The few rules of Protocol Buffers that the libp2p messages need.
//!
//! Reading is total and takes no memory: fields come as they stand, unknown ones too. Groups, which
//! newer versions of the format have dropped, are refused.

use alloc::vec::Vec;
use core::fmt;

/// Bytes of the longest varint.
const VARINT_BYTES: usize = 10;
/// The largest field number.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// A field's value, by wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer of variable length (wire type 0).
    Varint(u64),
    /// Eight bytes, little-endian (wire type 1).
    Fixed64(u64),
    /// Bytes, text or a message (wire type 2).
    Bytes(&'a [u8]),
    /// Four bytes, little-endian (wire type 5).
    Fixed32(u32),
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a Protocol Buffers message")
    }
}

impl core::error::Error for Malformed {}

/// The fields of a message in the order in which they came; ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for (index, byte) in self.rest.iter().take(VARINT_BYTES).enumerate() {
            let bits = u64::from(byte & 0x7F);
            let shifted = bits << (7 * index);
            if shifted >> (7 * index) != bits {
                return Err(Malformed);
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > MAX_FIELD {
            return Err(Malformed);
        }
        let number = u32::try_from(number).map_err(|_| Malformed)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Appends an integer of variable length.
pub fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            message.push(low & 0x7F);
            return;
        }
        message.push(low | 0x80);
    }
}

/// Appends a field of bytes, text or a message.
pub fn put_bytes(message: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(message, u64::from(field) << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

/// Appends a field that is an integer.
pub fn put_integer(message: &mut Vec<u8>, field: u32, value: u64) {
    put_varint(message, u64::from(field) << 3);
    put_varint(message, value);
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::new(message).collect()
    }

    #[test]
    fn the_encodings_of_the_specification_are_read() {
        assert_eq!(all(&[0x08, 0x96, 0x01]), Ok(vec![(1, Value::Varint(150))]));
        assert_eq!(all(b"\x12\x07testing"), Ok(vec![(2, Value::Bytes(b"testing"))]));
        assert_eq!(all(&[0x0D, 1, 2, 3, 4]), Ok(vec![(1, Value::Fixed32(0x0403_0201))]));
        let fixed = Value::Fixed64(0x0807_0605_0403_0201);
        assert_eq!(all(&[0x09, 1, 2, 3, 4, 5, 6, 7, 8]), Ok(vec![(1, fixed)]));
        // A varint may be longer than it needs to be.
        assert_eq!(all(&[0x88, 0x00, 0x80, 0x00]), Ok(vec![(1, Value::Varint(0))]));
    }

    #[test]
    fn the_largest_integer_and_field_are_read_and_one_more_is_not() {
        let mut most = vec![0x08];
        most.extend([0xFF; 9]);
        most.push(0x01);
        assert_eq!(all(&most), Ok(vec![(1, Value::Varint(u64::MAX))]));
        if let Some(last) = most.last_mut() {
            *last = 0x02;
        }
        assert_eq!(all(&most), Err(Malformed));
        let mut field = Vec::new();
        put_varint(&mut field, MAX_FIELD << 3);
        field.push(0);
        assert_eq!(all(&field), Ok(vec![((1 << 29) - 1, Value::Varint(0))]));
        field.clear();
        put_varint(&mut field, (MAX_FIELD + 1) << 3);
        field.push(0);
        assert_eq!(all(&field), Err(Malformed));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &[0x00, 0x00][..],
            &[0x08],
            &[0x0B],
            &[0x0C],
            &[0x0E, 0],
            &[0x0F, 0],
            &[0x0A, 2, 0],
            &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            &[0x0D, 1, 2, 3],
            &[0x09, 1, 2, 3, 4, 5, 6, 7],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ] {
            assert_eq!(all(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            fields in prop::collection::vec(
                (1u32..1 << 29, any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8)
        ) {
            let mut message = Vec::new();
            let mut expected = Vec::new();
            for (number, integer, bytes) in &fields {
                put_integer(&mut message, *number, *integer);
                put_bytes(&mut message, *number, bytes);
                expected.push((*number, Value::Varint(*integer)));
                expected.push((*number, Value::Bytes(bytes)));
            }
            prop_assert_eq!(all(&message), Ok(expected));
        }

        #[test]
        fn any_bytes_are_read_or_refused_and_reading_ends(bytes: Vec<u8>) {
            let fields = Fields::new(&bytes).count();
            prop_assert!(fields <= bytes.len());
        }
    }
}
