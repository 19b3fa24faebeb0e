//! `run-console`: lines in the node's log.

use air_core::value::Value;
use log::info;

use super::Outcome;
use super::bounded_json::write_json_excerpt;
use super::failure::Failure;

pub(super) fn call(author_is_node: bool, function: &str, arguments: &[Value]) -> Option<Outcome> {
    if function != "print" {
        return None;
    }
    if !author_is_node {
        return Some(Err(Failure::guarded()));
    }
    for argument in arguments {
        // As JSON: no script can break a log line or forge one.
        info!(target: "console", "{}", write_json_excerpt(argument));
    }
    Some(Ok(None))
}
