//! Reading the arguments of a call, with the reference's texts for what is wrong with them.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::slice;

use air_core::value::Object;
use air_core::value::Value;

use super::failure::{ArgumentError, Failure};

/// A type that an argument can have.
pub(super) trait FromValue<'a>: Sized {
    /// How the reference's error messages call it.
    fn type_name() -> String;

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
        let value = self.rest.next().ok_or(ArgumentError::MissingField(field))?;
        read(field, value)
    }

    /// The next argument, an option: absent, `null` and `[]` are none; `x` and `[x]` are `x`.
    pub(super) fn next_option<T: FromValue<'a>>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<T>, ArgumentError> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        if let Some(List(mut items)) = List::<T>::from_value(value) {
            return match items.len() {
                0 | 1 => Ok(items.pop()),
                length => Err(ArgumentError::NonUnaryOption { field, length }),
            };
        }
        match T::from_value(value) {
            Some(argument) => Ok(Some(argument)),
            None if *value == Value::Null => Ok(None),
            None => {
                let expected = format!("Option<{}>", T::type_name());
                Err(ArgumentError::wrong_type(field, expected, value))
            }
        }
    }

    /// All arguments that were not read yet.
    pub(super) fn rest(self) -> &'a [Value] {
        self.rest.as_slice()
    }
}

fn read<'a, T: FromValue<'a>>(field: &'static str, value: &'a Value) -> Result<T, ArgumentError> {
    T::from_value(value).ok_or_else(|| ArgumentError::wrong_type(field, T::type_name(), value))
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
    fn type_name() -> String {
        "serde_json::value::Value".into()
    }
    fn from_value(value: &'a Value) -> Option<Self> {
        Some(value)
    }
}

impl FromValue<'_> for bool {
    fn type_name() -> String {
        "bool".into()
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue<'_> for i64 {
    fn type_name() -> String {
        "i64".into()
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_number()?.as_i64()
    }
}

impl FromValue<'_> for u32 {
    fn type_name() -> String {
        "u32".into()
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_number()?.as_u64()?.try_into().ok()
    }
}

impl FromValue<'_> for usize {
    fn type_name() -> String {
        "usize".into()
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_number()?.as_u64()?.try_into().ok()
    }
}

impl FromValue<'_> for u8 {
    fn type_name() -> String {
        "u8".into()
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_number()?.as_u64()?.try_into().ok()
    }
}

impl FromValue<'_> for f64 {
    fn type_name() -> String {
        "f64".into()
    }
    #[expect(clippy::cast_precision_loss, reason = "an integer stands for the nearest float")]
    fn from_value(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        let integer = || number.as_i64().map(|i| i as Self).or(number.as_u64().map(|u| u as Self));
        number.as_float().or_else(integer)
    }
}

impl<'a> FromValue<'a> for &'a Arc<str> {
    fn type_name() -> String {
        "String".into()
    }
    fn from_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for &'a Object {
    fn type_name() -> String {
        "serde_json::map::Map<String, serde_json::value::Value>".into()
    }
    fn from_value(value: &'a Value) -> Option<Self> {
        value.as_object()
    }
}

/// A list of one type.
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'a, T: FromValue<'a>> FromValue<'a> for List<T> {
    fn type_name() -> String {
        format!("Vec<{}>", T::type_name())
    }
    fn from_value(value: &'a Value) -> Option<Self> {
        value.as_array()?.iter().map(T::from_value).collect::<Option<_>>().map(Self)
    }
}

/// A list of texts that stands for the set of them.
pub(super) struct Set<'a>(pub(super) Vec<&'a Arc<str>>);

impl<'a> FromValue<'a> for Set<'a> {
    fn type_name() -> String {
        "std::collections::hash::set::HashSet<String>".into()
    }
    fn from_value(value: &'a Value) -> Option<Self> {
        List::from_value(value).map(|List(texts)| Self(texts))
    }
}

/// A key and a value, written as an array of two.
impl<'a> FromValue<'a> for (&'a Arc<str>, &'a Value) {
    fn type_name() -> String {
        "(String, serde_json::value::Value)".into()
    }
    fn from_value(value: &'a Value) -> Option<Self> {
        match value.as_array()? {
            [Value::String(key), value] => Some((key, value)),
            _ => None,
        }
    }
}
