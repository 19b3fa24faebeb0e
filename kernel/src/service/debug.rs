//! `debug`: values as text.

use air_core::value::Value;

use super::Outcome;
use super::bounded_json::{TooLong, write_json};
use super::failure::Failure;
use crate::limits::MAX_CALL_RESULT_BYTES;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Outcome> {
    match function {
        "stringify" => Some(stringify(arguments)),
        _ => None,
    }
}

fn stringify(arguments: &[Value]) -> Outcome {
    let text = match arguments {
        // The quotes belong to the text.
        [] => Ok("\"<empty argument list>\"".into()),
        [value] => write_json(value, MAX_CALL_RESULT_BYTES),
        values => {
            let array = Value::array(values.into()).map_err(too_deep)?;
            write_json(&array, MAX_CALL_RESULT_BYTES)
        }
    };
    text.map(|text| Some(Value::string(text))).map_err(too_long)
}

pub(super) fn too_deep(error: air_core::value::TooDeep) -> Failure {
    Failure::Message(alloc::format!("{error}"))
}

pub(super) fn too_long(TooLong: TooLong) -> Failure {
    Failure::Message(alloc::format!(
        "the result is longer than the limit of {MAX_CALL_RESULT_BYTES} bytes"
    ))
}
