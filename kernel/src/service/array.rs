//! `array`: lists as values.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::Outcome;
use super::arguments::{List, Set, binary, unary};
use super::bounded_json::write_json_excerpt;
use super::failure::Failure;

/// A set operation: whether an element stays, given whether the first and the second list have it.
type Keeps = fn(bool, bool) -> bool;

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Outcome> {
    Some(match function {
        "sum" => unary(arguments).and_then(|List(numbers): List<i64>| sum(&numbers)),
        "dedup" => unary(arguments).and_then(|List(texts)| strings(distinct(&texts))),
        "intersect" => combine(arguments, |first, second| first && second),
        "diff" => combine(arguments, |first, second| first && !second),
        "sdiff" => combine(arguments, |first, second| first != second),
        "slice" => slice(arguments),
        "length" => length(arguments),
        _ => return None,
    })
}

fn sum(numbers: &[i64]) -> Outcome {
    let total = numbers.iter().try_fold(0_i64, |total, number| total.checked_add(*number));
    total.map(|total| Some(total.into())).ok_or_else(|| Failure::Message("i64 add overflow".into()))
}

/// The first occurrences, in order.
fn distinct<'a>(texts: &[&'a Arc<str>]) -> Vec<&'a Arc<str>> {
    let mut seen = BTreeSet::new();
    texts.iter().copied().filter(|text| seen.insert(*text)).collect()
}

fn combine(arguments: &[Value], keeps: Keeps) -> Outcome {
    let (Set(first), Set(second)): (Set<'_>, Set<'_>) = binary(arguments)?;
    let (in_first, in_second): (BTreeSet<_>, BTreeSet<_>) =
        (first.iter().copied().collect(), second.iter().copied().collect());
    let mut all = first;
    all.extend(second);
    let kept = |text: &&Arc<str>| keeps(in_first.contains(*text), in_second.contains(*text));
    strings(distinct(&all).into_iter().filter(kept).collect())
}

fn strings(texts: Vec<&Arc<str>>) -> Outcome {
    let items = texts.into_iter().map(|text| Value::String(text.clone())).collect();
    Ok(Some(Value::array(items)?))
}

fn slice(arguments: &[Value]) -> Outcome {
    let fail = |message| Err(Failure::Message(message));
    let [array, start, end] = arguments else {
        return fail("invalid number of parameters. need array, start index and end index".into());
    };
    let Some(items) = array.as_array() else {
        let was = write_json_excerpt(array);
        return fail(format!("first argument must be an array, was {was}"));
    };
    if items.is_empty() {
        return Ok(Some(array.clone()));
    }
    let index = |value: &Value| value.as_number().and_then(|number| number.as_u64());
    let Some(start) = index(start) else {
        let was = write_json_excerpt(start);
        return fail(format!(
            "second argument (start index) must be an unsigned integer, was {was}"
        ));
    };
    let Some(end) = index(end) else {
        let was = write_json_excerpt(end);
        return fail(format!("third argument (end index) must be an unsigned integer, was {was}"));
    };
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match range.and_then(|(start, end)| items.get(start..end)) {
        Some(part) => Ok(Some(Value::array(part.into())?)),
        None => fail(format!(
            "slice indexes out of bounds. start index: {start}, end index: {end}, array length: {}",
            items.len()
        )),
    }
}

/// Also known as `op.array_length`, whose name its errors bear.
pub(super) fn length(arguments: &[Value]) -> Outcome {
    let [array] = arguments else {
        let message =
            format!("op array_length accepts exactly 1 argument: {} found", arguments.len());
        return Err(Failure::Message(message));
    };
    let items = array
        .as_array()
        .ok_or_else(|| Failure::Message("op array_length's argument must be an array".into()))?;
    Ok(Some((items.len() as u64).into()))
}
