//! `env`: the variables of a program.
//!
//! | function | arguments | gives |
//! |---|---|---|
//! | `get` | name, and what to give if there is no such variable | its value |
//! | `list` | | an object of all |

use alloc::format;
use alloc::sync::Arc;

use air_core::value::Value;

use super::Outcome;
use super::arguments::Arguments;
use super::bounded_json::excerpt;
use super::failure::Failure;
use crate::program::Run;

pub(super) fn call(run: &Run, function: &str, arguments: &[Value]) -> Option<Outcome> {
    Some(match function {
        "get" => get(run, arguments),
        "list" => list(run),
        _ => return None,
    })
}

fn get(run: &Run, arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let name: &Arc<str> = arguments.next("name")?;
    match (run.variable(name), arguments.rest()) {
        (Some(value), _) => Ok(Some(Value::String(value.clone()))),
        (None, [default, ..]) => Ok(Some(default.clone())),
        (None, []) => Err(Failure::Message(format!("there is no variable {}", excerpt(name)))),
    }
}

fn list(run: &Run) -> Outcome {
    let variables = run.variables().iter();
    let members = variables.map(|(name, value)| (name.clone(), Value::String(value.clone())));
    Ok(Some(Value::object(members.collect())?))
}
