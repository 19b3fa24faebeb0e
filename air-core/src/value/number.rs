//! JSON numbers: exact 64-bit integers and finite floats, never equal to each other.

use core::fmt;

/// A JSON number. An integer that fits `u64` or `i64` is an integer, anything else a finite float.
///
/// Invariants: `Negative` is below zero and `Float` is finite, so equality is structural and
/// reflexive. `-0` as JSON text is the float −0.0, which IEEE (and so this type) holds equal to 0.0.
#[derive(Clone, Copy, Debug)]
pub struct Number(Repr);

#[derive(Clone, Copy, Debug)]
enum Repr {
    Natural(u64),
    Negative(i64),
    Float(f64),
}

impl Number {
    /// A float; nothing for NaN and the infinities, which JSON lacks.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(Repr::Float(value)))
    }

    /// The value, if it is an integer from 0 to 2⁶⁴−1.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self.0 {
            Repr::Natural(value) => Some(value),
            _ => None,
        }
    }

    /// The value, if it is an integer that fits `i64`.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Natural(value) => i64::try_from(value).ok(),
            Repr::Negative(value) => Some(value),
            Repr::Float(_) => None,
        }
    }

    /// The value, if it is a float (integers are not converted).
    #[must_use]
    pub fn as_float(self) -> Option<f64> {
        match self.0 {
            Repr::Float(value) => Some(value),
            _ => None,
        }
    }

    /// How long the text is: exactly for an integer, at most for a float.
    pub(super) fn size(self) -> usize {
        const LONGEST_FLOAT: usize = 24;
        let digits = |value: u64| value.checked_ilog10().unwrap_or(0) as usize + 1;
        match self.0 {
            Repr::Natural(value) => digits(value),
            Repr::Negative(value) => 1 + digits(value.unsigned_abs()),
            Repr::Float(_) => LONGEST_FLOAT,
        }
    }

    /// Whether the text of this number reads back as the same number. A float's may not: reading is
    /// not exact in the last place (air-data §5.3).
    pub(super) fn reads_back(self) -> bool {
        match self.0 {
            Repr::Natural(_) | Repr::Negative(_) => true,
            Repr::Float(value) => {
                let read: Result<f64, _> = serde_json::from_str(&super::json::float_text(value));
                read.is_ok_and(|read| read.to_bits() == value.to_bits())
            }
        }
    }

    /// Whether this is a float.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self.0, Repr::Float(_))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(Repr::Natural(value))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(match u64::try_from(value) {
            Ok(natural) => Repr::Natural(natural),
            Err(_) => Repr::Negative(value),
        })
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Repr::Natural(a), Repr::Natural(b)) => a == b,
            (Repr::Negative(a), Repr::Negative(b)) => a == b,
            (Repr::Float(a), Repr::Float(b)) => a == b,
            _ => false,
        }
    }
}

// Floats are finite, so equality is reflexive.
impl Eq for Number {}

impl fmt::Display for Number {
    /// The JSON text: integers in decimal, floats by the shortest text that reads back exactly, with a
    /// fraction or an exponent (air-data §5.3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Natural(value) => fmt::Display::fmt(&value, f),
            Repr::Negative(value) => fmt::Display::fmt(&value, f),
            Repr::Float(value) => f.write_str(&super::json::float_text(value)),
        }
    }
}
