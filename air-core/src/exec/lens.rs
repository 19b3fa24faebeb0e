//! Applying lenses to values, canon streams and canon maps (air-language §4.7).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::ast::{Accessor, Lens, LensId, Name, Script};
use crate::value::{Number, Value};

use super::canon_values::{CanonMap, CanonStream, Key};
use super::datum::Datum;
use super::failure::{Failure, Unresolved};
use super::machine::Machine;
use super::select::{ScalarRef, Selected};

/// The text of accessors, each with its dot.
pub(crate) fn accessors_text(script: &Script, accessors: &[Accessor]) -> String {
    let mut text = String::new();
    for accessor in accessors {
        // Writing to a string cannot fail.
        let _ = match *accessor {
            Accessor::Index(index) => write!(text, ".[{index}]"),
            Accessor::Field(field) => write!(text, ".{}", script.literal(field)),
            Accessor::ByScalar(name) => write!(text, ".[{}]", script.name(name)),
        };
    }
    text
}

impl Machine {
    /// Applies a lens to a value.
    pub(crate) fn apply_lens(&self, root: &Value, lens: LensId) -> Result<Value, Unresolved> {
        match self.script.lens(lens) {
            Lens::Length => match root.as_array() {
                Some(items) => Ok(length(items.len())),
                None => Err(Failure::length_of_non_array(self.shown(root)).into()),
            },
            Lens::Path(path) => self.walk(root, path).cloned(),
        }
    }

    /// Follows accessors from a value.
    fn walk<'a>(&self, root: &'a Value, path: &[Accessor]) -> Result<&'a Value, Unresolved> {
        path.iter().try_fold(root, |value, accessor| match *accessor {
            Accessor::Index(index) => Ok(self.item(value, index)?),
            Accessor::Field(field) => Ok(self.member(value, self.script.literal(field))?),
            Accessor::ByScalar(name) => match self.scalar(name)?.value() {
                Value::String(field) => Ok(self.member(value, field)?),
                Value::Number(number) => Ok(self.item(value, index(*number)?)?),
                other => Err(Failure::lens(format!(
                    "scalar accessor `{}` should has number or string type",
                    self.shown(other)
                ))
                .into()),
            },
        })
    }

    /// Applies a lens to a canon stream; the first accessor selects an element.
    pub(crate) fn select_in_canon<'a>(
        &self,
        canon: &'a CanonStream,
        lens: LensId,
    ) -> Result<Selected<'a>, Unresolved> {
        let path = match self.script.lens(lens) {
            Lens::Length => {
                return Ok(Selected::CanonLength(canon, length(canon.values.len())));
            }
            Lens::Path(path) => path,
        };
        let values = &canon.values;
        let get = |index: usize| values.get(index).map(|datum| (datum, &datum.value));
        let (element, value) = self.element(values.len(), get, path)?;
        Ok(Selected::CanonElement(element, value))
    }

    /// The element of so many that the first accessor selects, and what the others find in its value.
    fn element<'a>(
        &self,
        len: usize,
        get: impl FnOnce(usize) -> Option<(&'a Datum, &'a Value)>,
        path: &[Accessor],
    ) -> Result<(&'a Datum, Value), Unresolved> {
        let Some((first, rest)) = path.split_first() else {
            return Err(Failure::lens(String::new()).into());
        };
        let index = match *first {
            Accessor::Index(index) => index,
            Accessor::Field(field) => {
                let field = self.script.literal(field);
                return Err(Failure::lens(format!(
                    "field accessor (with field name = '{field}') can't be applied to a stream"
                ))
                .into());
            }
            Accessor::ByScalar(name) => match self.scalar(name)?.value() {
                Value::Number(number) => index(*number)?,
                other => {
                    return Err(Failure::lens(format!(
                        "stream accessor `{}` should has number (u32) type",
                        self.shown(other)
                    ))
                    .into());
                }
            },
        };
        let (element, value) = get(index as usize).ok_or_else(|| {
            Failure::lens(format!(
                "lambda is applied to a stream that have only '{len}' elements, but '{index}' requested"
            ))
        })?;
        let value = self.walk(value, rest)?.clone();
        Ok((element, value))
    }

    /// Applies a lens to a canon map; the first accessor is the key.
    pub(crate) fn select_in_map<'a>(
        &'a self,
        map: &'a CanonMap,
        lens: LensId,
    ) -> Result<Selected<'a>, Unresolved> {
        let path = match self.script.lens(lens) {
            Lens::Length => return Ok(Selected::MapLength(map, length(map.pairs.len()))),
            Lens::Path(path) => path,
        };
        let Some((first, rest)) = path.split_first() else {
            return Err(Failure::lens(String::new()).into());
        };
        let key = match *first {
            Accessor::Index(index) => Key::Integer(i128::from(index)),
            Accessor::Field(field) => Key::Text(self.script.literal(field).clone()),
            Accessor::ByScalar(name) => self.key_by_scalar(name)?,
        };
        let Some(values) = map.values_of(&key) else {
            let nothing = Value::array(Vec::new()).unwrap_or_default();
            return Ok(Selected::MapKey(map, nothing, lens));
        };
        let Some((_, behind)) = rest.split_first() else {
            let all = values.to_value().map_err(Failure::from)?;
            return Ok(Selected::MapKey(map, all, lens));
        };
        let (element, value) = self.element(values.len(), |index| values.get(index), rest)?;
        Ok(Selected::MapElement(map, element, value, behind))
    }

    fn key_by_scalar(&self, name: Name) -> Result<Key, Unresolved> {
        let scalar = self.scalar(name)?;
        if matches!(scalar, ScalarRef::Iterator(_)) {
            let text = "canon stream map accessor must not be iterable";
            return Err(Failure::lens(text.into()).into());
        }
        let value = scalar.value();
        Key::of(value).ok_or_else(|| {
            Failure::lens(format!(
                "canon stream map accessor `{}` should be either string or number",
                self.shown(value)
            ))
            .into()
        })
    }

    fn item<'a>(&self, value: &'a Value, index: u32) -> Result<&'a Value, Failure> {
        let items = value.as_array().ok_or_else(|| {
            Failure::lens(format!(
                "value '{}' is not an array-type to match array accessor with idx = '{index}'",
                self.shown(value)
            ))
        })?;
        items.get(index as usize).ok_or_else(|| {
            Failure::lens(format!(
                "value '{}' does not contain element for idx = '{index}'",
                self.shown(value)
            ))
        })
    }

    fn member<'a>(&self, value: &'a Value, field: &str) -> Result<&'a Value, Failure> {
        let object = value.as_object().ok_or_else(|| {
            Failure::lens(format!(
                "value '{}' is not an map-type to match field accessor with field_name = '{field}'",
                self.shown(value)
            ))
        })?;
        object.get(field).ok_or_else(|| {
            Failure::lens(format!(
                "value '{}' does not contain element with field name = '{field}'",
                self.shown(value)
            ))
        })
    }
}

fn length(len: usize) -> Value {
    Value::from(u64::try_from(len).unwrap_or(u64::MAX))
}

fn index(number: Number) -> Result<u32, Failure> {
    number.as_u64().and_then(|index| u32::try_from(index).ok()).ok_or_else(|| {
        // The backticks stand exactly so in the reference.
        Failure::lens(format!("index accessor `{number} can't be converted to u32`"))
    })
}
