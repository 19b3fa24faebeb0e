//! The walk along a shape: canonical form, or what is wrong.

use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::{Number, Object, Value};

use super::refusal::{Findings, Step};
use super::{Default, Field, Presence, Reason, Record, Refusals, Shape, Unknown};
use super::{python_regex, scalar};
use crate::aleph::item_hash::ItemHash;

/// Checks a value against a shape; its canonical form.
///
/// # Errors
/// [`Refusals`]: which fields are wrong, and why.
pub fn check(shape: &Shape, value: &Value) -> Result<Value, Refusals> {
    let mut findings = Findings::default();
    let canonical = walk(shape, value, &mut findings);
    findings.verdict(canonical)
}

/// Gives the canonical form, or nothing after refusing the value.
fn walk<'a>(shape: &Shape, value: &'a Value, findings: &mut Findings<'a>) -> Option<Value> {
    match shape {
        Shape::Record(record) => walk_record(record, value, findings),
        Shape::List { item, least, most } => walk_list(item, (*least, *most), value, findings),
        Shape::Map { key_most, value: inner, most } => {
            walk_map(*key_most, inner, *most, value, findings)
        }
        Shape::Chosen(choose) => walk(&choose(value), value, findings),
        Shape::Either(first, second) => {
            let before = findings.count();
            walk(first, value, findings).or_else(|| {
                findings.forget_after(before);
                walk(second, value, findings)
            })
        }
        _ => match walk_scalar(shape, value) {
            Ok(canonical) => Some(canonical),
            Err(reason) => {
                findings.refuse(reason);
                None
            }
        },
    }
}

fn walk_scalar(shape: &Shape, value: &Value) -> Result<Value, Reason> {
    match shape {
        Shape::Text { least, most } => {
            let text = text_of(value)?;
            within(text.chars().count(), *least, *most)?;
        }
        Shape::Form(holds, what) => {
            if !holds(text_of(value)?) {
                return Err(Reason::Not(what));
            }
        }
        Shape::OneOf(words) => {
            if !value.as_str().is_some_and(|text| words.contains(&text)) {
                return Err(Reason::NotOneOf(words));
            }
        }
        Shape::Flag => return scalar::flag(value).map(Value::Bool),
        Shape::StrictFlag => {
            if !matches!(value, Value::Bool(_)) {
                return Err(Reason::Not("a truth value"));
            }
        }
        Shape::AlwaysTrue => {
            if !python_equal(value, &Value::Bool(true)) {
                return Err(Reason::NotOneOf(&["true"]));
            }
            return Ok(Value::Bool(true));
        }
        Shape::Integer(least, most) => return scalar::integer(value, *least, *most),
        Shape::StrictInteger(least, most) => return scalar::strict_integer(value, *least, *most),
        Shape::Number => return scalar::number(value),
        Shape::Seconds => return scalar::seconds(value),
        Shape::StrictSeconds => return scalar::strict_seconds(value),
        Shape::Instant => return scalar::instant(value),
        Shape::ItemHash => {
            if text_of(value)?.parse::<ItemHash>().is_err() {
                return Err(Reason::Not("an item hash"));
            }
        }
        Shape::Regex => {
            let text = text_of(value)?;
            within(text.chars().count(), 0, crate::aleph::limits::MAX_ADDRESS_REGEX_CHARS)?;
            if !python_regex::compiles(text) {
                return Err(Reason::Not("a regular expression"));
            }
        }
        Shape::AnyList => {
            value.as_array().ok_or(Reason::Not("a list"))?;
        }
        Shape::AnyObject => {
            value.as_object().ok_or(Reason::Not("an object"))?;
        }
        // Those with parts do not come here.
        Shape::Anything
        | Shape::Record(_)
        | Shape::List { .. }
        | Shape::Map { .. }
        | Shape::Chosen(_)
        | Shape::Either(..) => {}
    }
    Ok(value.clone())
}

fn text_of(value: &Value) -> Result<&str, Reason> {
    value.as_str().ok_or(Reason::Not("a text"))
}

fn within(length: usize, least: usize, most: usize) -> Result<(), Reason> {
    match length {
        length if length < least => Err(Reason::TooShort(least)),
        length if length > most => Err(Reason::TooLong(most)),
        _ => Ok(()),
    }
}

/// Whether a list or a map has a size that it may have; if not, that is refused.
fn has_size(size: usize, (least, most): (usize, usize), findings: &mut Findings<'_>) -> bool {
    within(size, least, most).map_err(|reason| findings.refuse(reason)).is_ok()
}

fn walk_list<'a>(
    item: &'static Shape,
    (least, most): (usize, usize),
    value: &'a Value,
    findings: &mut Findings<'a>,
) -> Option<Value> {
    let Some(items) = value.as_array() else {
        findings.refuse(Reason::Not("a list"));
        return None;
    };
    if !has_size(items.len(), (least, most), findings) {
        return None;
    }
    let before = findings.count();
    let mut canonical = Vec::with_capacity(items.len());
    for (index, part) in items.iter().enumerate() {
        canonical.extend(findings.at(Step::Index(index), |findings| walk(item, part, findings)));
        if findings.is_full() {
            break;
        }
    }
    // No deeper than the value that it was made of.
    (findings.count() == before).then(|| Value::array(canonical).ok()).flatten()
}

fn walk_map<'a>(
    key_most: usize,
    inner: &'static Shape,
    most: usize,
    value: &'a Value,
    findings: &mut Findings<'a>,
) -> Option<Value> {
    let Some(members) = value.as_object() else {
        findings.refuse(Reason::Not("an object"));
        return None;
    };
    if !has_size(members.len(), (0, most), findings) {
        return None;
    }
    let before = findings.count();
    let mut canonical = Vec::with_capacity(members.len());
    for (key, part) in members {
        let checked = findings.at(Step::Key(key), |findings| {
            if key.chars().count() > key_most {
                findings.refuse(Reason::TooLong(key_most));
            }
            walk(inner, part, findings)
        });
        canonical.extend(checked.map(|checked| (key.clone(), checked)));
        if findings.is_full() {
            break;
        }
    }
    (findings.count() == before).then(|| Value::object(canonical).ok()).flatten()
}

fn walk_record<'a>(
    record: &'static Record,
    value: &'a Value,
    findings: &mut Findings<'a>,
) -> Option<Value> {
    let Some(members) = value.as_object() else {
        findings.refuse(Reason::Not("an object"));
        return None;
    };
    let before = findings.count();
    let mut canonical = Vec::with_capacity(record.fields.len());
    for field in record.fields {
        let part = members.get(field.name);
        let checked =
            findings.at(Step::Key(field.name), |findings| walk_field(field, part, findings));
        canonical.extend(checked.map(|checked| (Arc::from(field.name), checked)));
    }
    let is_named = |key: &str| record.fields.iter().any(|field| field.name == key);
    let others = members.iter().filter(|(key, _)| !is_named(key));
    match record.unknown {
        Unknown::Dropped => {}
        Unknown::Refused => {
            for (key, _) in others {
                findings.at(Step::Key(key), |findings| findings.refuse(Reason::Unknown));
                if findings.is_full() {
                    break;
                }
            }
        }
        Unknown::Kept(most) => {
            if others.clone().count() > most {
                findings.refuse(Reason::TooLong(most));
            }
            canonical.extend(others.filter(|(_, part)| *part != Value::Null).cloned());
        }
    }
    if findings.count() > before {
        return None;
    }
    let canonical = Value::object(canonical).ok()?;
    for rule in record.rules {
        if let Some(Err((part, reason))) = canonical.as_object().map(rule) {
            findings.refuse_part(part, reason);
            return None;
        }
    }
    Some(canonical)
}

fn walk_field<'a>(
    field: &'static Field,
    part: Option<&'a Value>,
    findings: &mut Findings<'a>,
) -> Option<Value> {
    match (field.presence, part) {
        (Presence::Optional, None | Some(Value::Null))
        | (Presence::RequiredOrNull | Presence::DefaultOrNull(_), Some(Value::Null)) => None,
        // The shape makes of it what it would make of the same value in the document.
        (Presence::Default(default) | Presence::DefaultOrNull(default), None) => {
            check(&field.shape, &default_value(default)).ok()
        }
        (Presence::Required | Presence::RequiredOrNull, None) => {
            findings.refuse(Reason::Missing);
            None
        }
        (_, Some(part)) => walk(&field.shape, part, findings),
    }
}

fn default_value(default: Default) -> Value {
    match default {
        Default::Flag(value) => Value::Bool(value),
        Default::Integer(value) => value.into(),
        Default::Text(value) => value.into(),
        // What is empty is not deep.
        Default::EmptyList => Value::array(Vec::new()).unwrap_or_default(),
        Default::EmptyObject => Value::object(Vec::new()).unwrap_or_default(),
    }
}

/// Whether two values are equal in the language of the reference parser: integers, floats and truth
/// values by their number.
///
/// Recurses as deep as the values nest, which is bounded.
#[must_use]
pub fn python_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| python_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => objects_equal(a, b),
        _ => match (number_of(a), number_of(b)) {
            (Some(a), Some(b)) => numbers_equal(a, b),
            _ => a == b,
        },
    }
}

fn objects_equal(a: &Object, b: &Object) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && python_equal(&a.1, &b.1))
}

fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::Bool(flag) => Some(u64::from(*flag).into()),
        other => other.as_number(),
    }
}

fn numbers_equal(a: Number, b: Number) -> bool {
    match (scalar::exact_integer(a), scalar::exact_integer(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b,
        _ => false,
    }
}
