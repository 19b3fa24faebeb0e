//! `stat`: figures about services in WebAssembly, of which this node has none.

use air_core::value::Value;

use super::Outcome;
use super::arguments::Arguments;
use super::srv::look_up;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Outcome> {
    match function {
        "service_memory" | "service_stat" => Some(look_up("service_id", Arguments::new(arguments))),
        _ => None,
    }
}
