//! The value that stands for a failed call (air-data §4.1, §7.3).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use crate::value::{TooDeep, Value};

const RET_CODE: &str = "ret_code";
const MESSAGE: &str = "message";

/// How a call failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CallFailure {
    pub(super) ret_code: i32,
    pub(super) message: Arc<str>,
}

impl CallFailure {
    pub(super) fn to_value(&self) -> Result<Value, TooDeep> {
        Value::object(alloc::vec![
            (MESSAGE.into(), Value::String(self.message.clone())),
            (RET_CODE.into(), Value::from(i64::from(self.ret_code))),
        ])
    }

    /// Reads an object with both members and perhaps others, or an array of the two; else says what is
    /// wrong in the words of the reference's reader.
    pub(super) fn from_value(value: &Value) -> Result<Self, String> {
        let (ret_code, message) = match value {
            Value::Object(object) => (
                object.get(RET_CODE).ok_or_else(|| missing(RET_CODE))?,
                object.get(MESSAGE).ok_or_else(|| missing(MESSAGE))?,
            ),
            Value::Array(items) => match &items[..] {
                [ret_code, message] => (ret_code, message),
                items => {
                    let len = items.len();
                    return Err(format!(
                        "invalid length {len}, expected struct CallServiceFailed with 2 elements"
                    ));
                }
            },
            other => return Err(invalid_type(other, "struct CallServiceFailed")),
        };
        let ret_code = match ret_code.as_number().filter(|number| !number.is_float()) {
            Some(number) => number
                .as_i64()
                .and_then(|code| i32::try_from(code).ok())
                .ok_or_else(|| format!("invalid value: integer `{number}`, expected i32"))?,
            None => return Err(invalid_type(ret_code, "i32")),
        };
        match message {
            Value::String(message) => Ok(Self { ret_code, message: message.clone() }),
            other => Err(invalid_type(other, "a string")),
        }
    }
}

fn missing(field: &str) -> String {
    format!("missing field `{field}`")
}

fn invalid_type(value: &Value, expected: &str) -> String {
    let found = match value {
        Value::Null => "null".to_string(),
        Value::Bool(boolean) => format!("boolean `{boolean}`"),
        Value::Number(number) if number.is_float() => format!("floating point `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(text) => format!("string {text:?}"),
        Value::Array(_) => "sequence".to_string(),
        Value::Object(_) => "map".to_string(),
    };
    format!("invalid type: {found}, expected {expected}")
}
