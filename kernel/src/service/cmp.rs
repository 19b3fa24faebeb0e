//! `cmp`: comparison of 64-bit integers.

use core::cmp::Ordering;

use air_core::value::Value;

use super::Outcome;
use super::arguments::binary;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Outcome> {
    let answer: fn(Ordering) -> Value = match function {
        "gt" => |order| order.is_gt().into(),
        "gte" => |order| order.is_ge().into(),
        "lt" => |order| order.is_lt().into(),
        "lte" => |order| order.is_le().into(),
        "cmp" => |order| (order as i64).into(),
        _ => return None,
    };
    Some(binary(arguments).map(|(x, y): (i64, i64)| Some(answer(x.cmp(&y)))))
}
