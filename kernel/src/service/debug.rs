//! `debug`: values as text.

use air_core::value::Value;

use super::Outcome;
use super::bounded_json::write_json;

pub(super) fn call(function: &str, arguments: &[Value], limit: usize) -> Option<Outcome> {
    match function {
        "stringify" => Some(stringify(arguments, limit)),
        _ => None,
    }
}

fn stringify(arguments: &[Value], limit: usize) -> Outcome {
    let text = match arguments {
        // The quotes belong to the text.
        [] => Ok("\"<empty argument list>\"".into()),
        [value] => write_json(value, limit),
        values => {
            let array = Value::array(values.into())?;
            write_json(&array, limit)
        }
    };
    Ok(Some(Value::string(text?)))
}
