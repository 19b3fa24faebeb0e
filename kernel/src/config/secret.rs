//! A secret seed that no log line and no debug output shows.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::{Secret, erase};

/// 32 bytes from which an ed25519 key is made. In TOML: 64 hexadecimal digits.
///
/// They are overwritten when it is dropped, and stay in one place until then: a configuration is moved
/// many times before the node has it. Its `Debug` form is `Seed(..)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(Box<[u8; SEED_BYTES]>);

const SEED_BYTES: usize = 32;

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSeed;

impl fmt::Display for BadSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a seed is 64 hexadecimal digits")
    }
}

impl core::error::Error for BadSeed {}

impl Seed {
    /// A seed of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; SEED_BYTES]) -> Self {
        Self(Box::new(bytes))
    }

    /// A seed of the bytes that `fill` writes where it is.
    #[must_use]
    pub fn filled_by(fill: impl FnOnce(&mut [u8; SEED_BYTES])) -> Self {
        let mut seed = Self::new([0; SEED_BYTES]);
        fill(&mut seed.0);
        seed
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &[u8; SEED_BYTES] {
        &self.0
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        erase(&mut *self.0);
    }
}

impl FromStr for Seed {
    type Err = BadSeed;

    fn from_str(text: &str) -> Result<Self, BadSeed> {
        let mut seed = Self::new([0; SEED_BYTES]);
        let digits = text.as_bytes();
        if digits.len() != 2 * seed.0.len() {
            return Err(BadSeed);
        }
        for (byte, pair) in seed.0.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(BadSeed) };
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Ok(seed)
    }
}

fn hex_digit(digit: u8) -> Result<u8, BadSeed> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(BadSeed),
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
            let text: String =
                self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
            serializer.serialize_str(&text)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let digits = Secret::from(String::deserialize(deserializer)?.into_bytes());
            let digits = core::str::from_utf8(&digits).map_err(|_| BadSeed);
            digits.and_then(str::parse).map_err(de::Error::custom)
        } else {
            deserializer.deserialize_tuple(SEED_BYTES, InPlace)
        }
    }
}

/// Reads a seed byte by byte to where it stays.
struct InPlace;

impl<'de> Visitor<'de> for InPlace {
    type Value = Seed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SEED_BYTES} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Seed, A::Error> {
        let mut seed = Seed::new([0; SEED_BYTES]);
        for (count, byte) in seed.0.iter_mut().enumerate() {
            let next = bytes.next_element()?;
            *byte = next.ok_or_else(|| de::Error::invalid_length(count, &self))?;
        }
        Ok(seed)
    }
}
