//! `math`: 64-bit integer arithmetic that never wraps.

use air_core::value::Value;

use super::Outcome;
use super::arguments::binary;
use super::failure::Failure;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Outcome> {
    Some(match function {
        "add" => checked(arguments, "i64 add overflow", i64::checked_add),
        "sub" => sub(arguments),
        "mul" => checked(arguments, "i64 mul overflow", i64::checked_mul),
        "div" => checked(arguments, "i64 div overflow", i64::checked_div),
        "rem" => checked(arguments, "i64 rem overflow", i64::checked_rem),
        "fmul" => binary(arguments).map(|(x, y): (f64, f64)| Some(floor(x * y).into())),
        "pow" => binary(arguments).and_then(|(x, y): (i64, u32)| {
            some_or(x.checked_pow(y).map(Value::from), "i64 pow overflow")
        }),
        "log" => binary(arguments).and_then(|(base, y): (i64, i64)| {
            some_or(y.checked_ilog(base).map(Value::from), "i64 log overflow")
        }),
        _ => return None,
    })
}

fn checked(arguments: &[Value], overflow: &str, operation: fn(i64, i64) -> Option<i64>) -> Outcome {
    let (x, y) = binary(arguments)?;
    some_or(operation(x, y).map(Value::from), overflow)
}

/// Adds the opposite, as the reference does: the least of all numbers has none and is never subtracted.
fn sub(arguments: &[Value]) -> Outcome {
    let (x, y): (i64, i64) = binary(arguments)?;
    let Some(opposite) = y.checked_neg() else {
        return Err(Failure::Message("i64 neg overflow".into()));
    };
    some_or(x.checked_add(opposite).map(Value::from), "i64 add overflow")
}

fn some_or(value: Option<Value>, overflow: &str) -> Outcome {
    value.map(Some).ok_or_else(|| Failure::Message(overflow.into()))
}

/// The largest integer not above `product`, or the nearest that an `i64` has.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the conversion saturates, and floats beyond 2^53 are integers"
)]
fn floor(product: f64) -> i64 {
    let truncated = product as i64;
    if (truncated as f64) > product { truncated.saturating_sub(1) } else { truncated }
}
