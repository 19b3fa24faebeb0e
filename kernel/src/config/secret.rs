//! A secret seed that no log line and no debug output shows.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// 32 bytes from which an ed25519 key is made. In TOML: 64 hexadecimal digits.
///
/// The bytes are overwritten when it is dropped; its `Debug` form is `Seed(..)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed([u8; 32]);

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
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from leaving out stores to memory that nobody reads again.
        core::hint::black_box(&self.0);
    }
}

impl FromStr for Seed {
    type Err = BadSeed;

    fn from_str(text: &str) -> Result<Self, BadSeed> {
        let mut seed = Self([0; 32]);
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
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            Deserialize::deserialize(deserializer).map(Self)
        }
    }
}
