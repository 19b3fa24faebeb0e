//! `json`: objects and JSON text.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Object;
use air_core::value::Value;

use super::Outcome;
use super::arguments::{Arguments, List, binary, unary};
use super::bounded_json::{excerpt, write_json, write_json_excerpt};
use super::failure::Failure;

type Members = Vec<(Arc<str>, Value)>;

pub(super) fn call(function: &str, arguments: &[Value], limit: usize) -> Option<Outcome> {
    Some(match function {
        "obj" => put_flat(Members::new(), arguments),
        "put" => put(arguments),
        "puts" => puts(arguments),
        "obj_pairs" => unary(arguments).and_then(|pairs| put_pairs(Members::new(), pairs)),
        "puts_pairs" => puts_pairs(arguments),
        "parse" => unary(arguments).and_then(|text: &Arc<str>| parse(text)),
        "stringify" => unary(arguments)
            .and_then(|value: &Value| Ok(Some(Value::string(write_json(value, limit)?)))),
        _ => return None,
    })
}

fn members(object: &Object) -> Members {
    object.iter().cloned().collect()
}

fn object(members: Members) -> Outcome {
    Ok(Some(Value::object(members)?))
}

fn put(arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let mut members = members(arguments.next("object")?);
    let key: &Arc<str> = arguments.next("key")?;
    let value: &Value = arguments.next("value")?;
    members.push((key.clone(), value.clone()));
    object(members)
}

/// Adds `k1, v1, k2, v2, …`.
fn put_flat(mut members: Members, keys_and_values: &[Value]) -> Outcome {
    for pair in keys_and_values.chunks(2) {
        match pair {
            [Value::String(key), value] => members.push((key.clone(), value.clone())),
            [key, value] => {
                let (key, value) = (write_json_excerpt(key), write_json_excerpt(value));
                return Err(Failure::Message(format!(
                    "All keys must be of type string. Key of the following pair is of invalid \
                     type: ({key}, {value})"
                )));
            }
            // Odd and even are exchanged in the reference's text, which programs may know.
            [key, ..] => {
                let key = write_json_excerpt(key);
                return Err(Failure::Message(format!(
                    "Expected odd number of arguments, got even. No value for key '{key}'"
                )));
            }
            [] => {}
        }
    }
    object(members)
}

fn puts(arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let object = arguments.next("object")?;
    put_flat(members(object), arguments.rest())
}

fn puts_pairs(arguments: &[Value]) -> Outcome {
    let (object, pairs): (&Value, _) = binary(arguments)?;
    let Some(object) = object.as_object() else {
        let got = write_json_excerpt(object);
        return Err(Failure::Message(format!("expected json object, got {got}")));
    };
    put_pairs(members(object), pairs)
}

/// Adds `[[k1, v1], [k2, v2], …]`.
fn put_pairs(mut members: Members, List(pairs): List<(&Arc<str>, &Value)>) -> Outcome {
    members.extend(pairs.into_iter().map(|(key, value)| (key.clone(), value.clone())));
    object(members)
}

fn parse(text: &str) -> Outcome {
    let value = Value::parse(text).map_err(|error| {
        Failure::error(
            &format!("error parsing json {}", excerpt(text)),
            &format!("Caused by: {error}"),
        )
    })?;
    Ok(Some(value))
}
