//! Reading the arguments of a call, with the reference's texts for what is wrong with them.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::slice;

use air_core::value::Object;
use air_core::value::Value;

use super::failure::{ArgumentError, Failure};

/// A type that an argument can have.
pub(super) trait FromValue<'a>: Sized {
    /// How error messages call it.
    const NAME: &'static str;

    /// The argument as this type, if it is one.
    fn from_value(value: &'a Value) -> Option<Self>;
}

/// The arguments of one call, read from left to right.
pub(super) struct Arguments<'a> {
    rest: slice::Iter<'a, Value>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(values: &'a [Value]) -> Self {
        Self { rest: values.iter() }
    }

    /// The next argument, which must be there.
    pub(super) fn next<T: FromValue<'a>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, ArgumentError> {
        let value = self.rest.next().ok_or(ArgumentError::Missing { field })?;
        read(field, value)
    }

    /// The next argument, an option: absent, `null` and `[]` are none; `x` and `[x]` are `x`.
    pub(super) fn next_option<T: FromValue<'a>>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<T>, ArgumentError> {
        match self.rest.next() {
            None | Some(Value::Null) => Ok(None),
            Some(value @ Value::Array(items)) => match &items[..] {
                [] => Ok(None),
                [item] => read(field, item).map(Some),
                // An array may be what is wanted itself.
                _ => T::from_value(value)
                    .map(Some)
                    .ok_or(ArgumentError::LongOption { field, length: items.len() }),
            },
            Some(value) => read(field, value).map(Some),
        }
    }

    /// All arguments that were not read yet.
    pub(super) fn rest(self) -> &'a [Value] {
        self.rest.as_slice()
    }
}

fn read<'a, T: FromValue<'a>>(field: &'static str, value: &'a Value) -> Result<T, ArgumentError> {
    T::from_value(value).ok_or_else(|| ArgumentError::wrong_type(field, T::NAME, value))
}

/// The argument `x` of a function of one.
pub(super) fn unary<'a, T: FromValue<'a>>(values: &'a [Value]) -> Result<T, Failure> {
    match values {
        [x] => Ok(read("x", x)?),
        _ => Err(Failure::Message(format!("expected 1 arguments, got {}", values.len()))),
    }
}

/// The arguments `x` and `y` of a function of two.
pub(super) fn binary<'a, X: FromValue<'a>, Y: FromValue<'a>>(
    values: &'a [Value],
) -> Result<(X, Y), Failure> {
    match values {
        [x, y] => Ok((read("x", x)?, read("y", y)?)),
        _ => Err(Failure::Message(format!("expected 2 arguments, got {}", values.len()))),
    }
}

impl<'a> FromValue<'a> for &'a Value {
    const NAME: &'static str = "any value";
    fn from_value(value: &'a Value) -> Option<Self> {
        Some(value)
    }
}

impl FromValue<'_> for bool {
    const NAME: &'static str = "bool";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue<'_> for i64 {
    const NAME: &'static str = "i64";
    fn from_value(value: &Value) -> Option<Self> {
        value.as_number()?.as_i64()
    }
}

impl FromValue<'_> for u32 {
    const NAME: &'static str = "u32";
    fn from_value(value: &Value) -> Option<Self> {
        value.as_number()?.as_u64()?.try_into().ok()
    }
}

impl FromValue<'_> for u8 {
    const NAME: &'static str = "u8";
    fn from_value(value: &Value) -> Option<Self> {
        value.as_number()?.as_u64()?.try_into().ok()
    }
}

impl FromValue<'_> for f64 {
    const NAME: &'static str = "f64";
    #[expect(clippy::cast_precision_loss, reason = "an integer stands for the nearest float")]
    fn from_value(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        let integer = || number.as_i64().map(|i| i as Self).or(number.as_u64().map(|u| u as Self));
        number.as_float().or_else(integer)
    }
}

impl<'a> FromValue<'a> for &'a Arc<str> {
    const NAME: &'static str = "String";
    fn from_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for &'a Object {
    const NAME: &'static str = "Map<String, Value>";
    fn from_value(value: &'a Value) -> Option<Self> {
        value.as_object()
    }
}

/// A list of one type.
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'a, T: FromValue<'a>> FromValue<'a> for List<T> {
    const NAME: &'static str = "an array of one type";
    fn from_value(value: &'a Value) -> Option<Self> {
        value.as_array()?.iter().map(T::from_value).collect::<Option<_>>().map(Self)
    }
}

/// A key and a value, written as an array of two.
impl<'a> FromValue<'a> for (&'a Arc<str>, &'a Value) {
    const NAME: &'static str = "[String, Value]";
    fn from_value(value: &'a Value) -> Option<Self> {
        match value.as_array()? {
            [Value::String(key), value] => Some((key, value)),
            _ => None,
        }
    }
}
