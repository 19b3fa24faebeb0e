//! What an operand means now: its value, and where that comes from (air-language §4.8, §5.3).

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::{Accessor, Failure as FailOperand, Lens, LensId, Name, Operand, TripletPart};
use crate::data::{Provenance, Tetraplet};
use crate::value::Value;

use super::canon_values::{CanonMap, CanonStream};
use super::datum::{Datum, normalised, with_lens};
use super::error_state::Slot;
use super::failure::{Failure, Unresolved};
use super::iteration::Iteration;
use super::lens::accessors_text;
use super::machine::Machine;
use super::scopes::Lookup;

/// A scalar or an iterator.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ScalarRef<'a> {
    Variable(&'a Datum),
    Iterator(&'a Iteration),
}

impl<'a> ScalarRef<'a> {
    pub(crate) fn value(self) -> &'a Value {
        match self {
            Self::Variable(datum) => &datum.value,
            Self::Iterator(iteration) => iteration.value(),
        }
    }

    pub(crate) fn datum(self) -> Datum {
        match self {
            Self::Variable(datum) => datum.clone(),
            Self::Iterator(iteration) => iteration.datum().unwrap_or_else(|| {
                Datum::new(
                    Value::Null,
                    Arc::new(Tetraplet::of_peer("".into())),
                    Provenance::Literal,
                )
            }),
        }
    }
}

/// An operand's value before it is asked for its origin.
#[derive(Debug)]
pub(crate) enum Selected<'a> {
    /// Of the script or of the run's parameters.
    Constant(Value),
    /// `%last_error%`, `:error:`, perhaps with a lens.
    Error(&'a Slot, Value),
    Scalar(ScalarRef<'a>),
    ScalarLength(ScalarRef<'a>, Value),
    ScalarPath(ScalarRef<'a>, Value, LensId),
    Canon(&'a Arc<CanonStream>),
    CanonLength(&'a CanonStream, Value),
    CanonElement(&'a Datum, Value),
    Map(&'a Arc<CanonMap>),
    MapLength(&'a CanonMap, Value),
    /// All values of a key, or none.
    MapKey(&'a CanonMap, Value, LensId),
    /// One value of a key, and the accessors behind it.
    MapElement(&'a CanonMap, &'a Datum, Value, &'a [Accessor]),
}

impl Selected<'_> {
    /// The value. Not bounded yet: see [`Machine::bounded`].
    fn value(&self) -> Result<Value, Failure> {
        Ok(match self {
            Self::Constant(value)
            | Self::Error(_, value)
            | Self::ScalarLength(_, value)
            | Self::ScalarPath(_, value, _)
            | Self::CanonLength(_, value)
            | Self::CanonElement(_, value)
            | Self::MapLength(_, value)
            | Self::MapKey(_, value, _)
            | Self::MapElement(_, _, value, _) => value.clone(),
            Self::Scalar(scalar) => scalar.value().clone(),
            Self::Canon(canon) => canon.to_value()?,
            Self::Map(map) => map.to_value()?,
        })
    }
}

impl Machine {
    /// The scalar or iterator of that name.
    pub(crate) fn scalar(&self, name: Name) -> Result<ScalarRef<'_>, Unresolved> {
        let iterator = self.iterator(name);
        match (self.scopes.scalar(name), iterator) {
            (Lookup::Set(datum), None) => Ok(ScalarRef::Variable(datum)),
            (Lookup::Absent, Some(iteration)) => Ok(ScalarRef::Iterator(iteration)),
            (Lookup::Absent, None) => Err(Unresolved::Absent(name)),
            (Lookup::Unset, _) => Err(self.not_initialized(name).into()),
            // The reference crashes here (§13, quirk 11).
            (Lookup::Set(_), Some(_)) => {
                Err(Failure::iterable_shadowing(self.script.name(name)).into())
            }
        }
    }

    pub(crate) fn canon_stream(&self, name: Name) -> Result<&Arc<CanonStream>, Unresolved> {
        self.visible(self.scopes.canon(name), name)
    }

    pub(crate) fn canon_map(&self, name: Name) -> Result<&Arc<CanonMap>, Unresolved> {
        self.visible(self.scopes.map(name), name)
    }

    fn visible<'a, T>(&self, lookup: Lookup<&'a T>, name: Name) -> Result<&'a T, Unresolved> {
        match lookup {
            Lookup::Set(value) => Ok(value),
            Lookup::Absent => Err(Unresolved::Absent(name)),
            Lookup::Unset => Err(self.not_initialized(name).into()),
        }
    }

    fn not_initialized(&self, name: Name) -> Failure {
        Failure::not_initialized_after_new(self.script.name(name))
    }

    /// What an operand means now.
    pub(crate) fn select(&self, operand: Operand) -> Result<Selected<'_>, Unresolved> {
        Ok(match operand {
            Operand::InitPeerId => {
                Selected::Constant(Value::String(self.parameters.init_peer_id.clone()))
            }
            Operand::Timestamp => Selected::Constant(Value::from(self.parameters.timestamp)),
            Operand::Ttl => Selected::Constant(Value::from(self.parameters.ttl)),
            Operand::LastError(lens) => self.select_error(&self.errors.last, lens)?,
            Operand::Error(lens) => self.select_error(&self.errors.error, lens)?,
            Operand::Literal(text) => {
                Selected::Constant(Value::String(self.script.literal(text).clone()))
            }
            Operand::Integer(integer) => Selected::Constant(Value::from(integer)),
            Operand::Float(float) => Selected::Constant(
                crate::value::Number::from_f64(float).map_or(Value::Null, Value::Number),
            ),
            Operand::Boolean(boolean) => Selected::Constant(Value::Bool(boolean)),
            Operand::EmptyArray => Selected::Constant(Value::array(Vec::new()).unwrap_or_default()),
            Operand::Scalar(variable) => Selected::Scalar(self.scalar(variable.name)?),
            Operand::ScalarLens(lensed) => {
                let scalar = self.scalar(lensed.name)?;
                let value = self.apply_lens(scalar.value(), lensed.lens)?;
                match self.script.lens(lensed.lens) {
                    Lens::Length => Selected::ScalarLength(scalar, value),
                    Lens::Path(_) => Selected::ScalarPath(scalar, value, lensed.lens),
                }
            }
            Operand::Canon(variable) => Selected::Canon(self.canon_stream(variable.name)?),
            Operand::CanonLens(lensed) => {
                self.select_in_canon(self.canon_stream(lensed.name)?, lensed.lens)?
            }
            Operand::CanonMap(variable) => Selected::Map(self.canon_map(variable.name)?),
            Operand::CanonMapLens(lensed) => {
                self.select_in_map(self.canon_map(lensed.name)?, lensed.lens)?
            }
        })
    }

    fn select_error<'a>(
        &self,
        slot: &'a Slot,
        lens: Option<LensId>,
    ) -> Result<Selected<'a>, Unresolved> {
        let mut value = slot.value(&self.script);
        self.check_size(value.size())?;
        if let Some(lens) = lens {
            value = self.apply_lens(&value, lens)?;
        }
        Ok(Selected::Error(slot, value))
    }

    /// The value of an operand.
    pub(crate) fn value_of(&self, operand: Operand) -> Result<Value, Unresolved> {
        let selected = self.select(operand)?;
        Ok(self.bounded(&selected)?)
    }

    /// The value of what was selected. It may be put into a text: what this run itself has put together
    /// is not longer than the run's bound.
    pub(crate) fn bounded(&self, selected: &Selected<'_>) -> Result<Value, Failure> {
        let value = selected.value()?;
        self.check_size(value.size())?;
        Ok(value)
    }

    /// A value with the origin that a call argument gets; a whole canon with that of the canon.
    pub(crate) fn datum(&self, selected: &Selected<'_>) -> Result<Datum, Failure> {
        let value = self.bounded(selected)?;
        let peer = || Tetraplet::of_peer(self.parameters.current_peer_id.clone());
        Ok(match selected {
            Selected::Constant(_) => {
                Datum::new(value, self.literal_tetraplet.clone(), Provenance::Literal)
            }
            Selected::Error(slot, _) => {
                let tetraplet = slot.tetraplet.as_ref().unwrap_or(&self.literal_tetraplet);
                Datum::new(value, tetraplet.clone(), slot.provenance.clone())
            }
            Selected::Scalar(scalar) => scalar.datum(),
            Selected::ScalarLength(scalar, _) => {
                let tetraplet =
                    Tetraplet { lens: ".length".into(), ..Tetraplet::of_peer("".into()) };
                Datum::new(value, Arc::new(tetraplet), scalar.datum().provenance)
            }
            Selected::ScalarPath(scalar, _, lens) => {
                let root = scalar.datum();
                let tetraplet = with_lens(&root.tetraplet, &self.script.lens_text(*lens));
                Datum::new(value, tetraplet, root.provenance)
            }
            Selected::Canon(canon) => {
                Datum::new(value, canon.tetraplet.clone(), canon.provenance())
            }
            // The text stands in the service's place in the reference (§13, quirk 20).
            Selected::CanonLength(canon, _) => {
                let tetraplet = Tetraplet { service_id: ".length".into(), ..peer() };
                Datum::new(value, Arc::new(tetraplet), canon.provenance())
            }
            Selected::CanonElement(element, _) => {
                Datum::new(value, element.tetraplet.clone(), element.provenance.clone())
            }
            Selected::Map(map) => Datum::new(value, map.tetraplet.clone(), map.provenance()),
            Selected::MapLength(map, _) => {
                let tetraplet = Tetraplet { lens: "length".into(), ..peer() };
                Datum::new(value, Arc::new(tetraplet), map.provenance())
            }
            Selected::MapKey(map, _, lens) => {
                let lens = self.script.lens_text(*lens);
                let tetraplet = Tetraplet { lens: lens.into(), ..(*map.tetraplet).clone() };
                Datum::new(value, Arc::new(tetraplet), map.provenance())
            }
            Selected::MapElement(map, element, _, rest) => {
                let tetraplet = if rest.is_empty() {
                    element.tetraplet.clone()
                } else {
                    with_lens(&element.tetraplet, &accessors_text(&self.script, rest))
                };
                Datum::new(value, tetraplet, map.provenance())
            }
        })
    }

    /// The value of an operand as a variable or a stream keeps it.
    pub(crate) fn stored_datum(&self, operand: Operand) -> Result<Datum, Unresolved> {
        let selected = self.select(operand)?;
        let mut datum = self.datum(&selected)?;
        if !matches!(selected, Selected::Scalar(_)) {
            datum.tetraplet = normalised(datum.tetraplet, &datum.provenance);
        }
        Ok(datum)
    }

    /// The tetraplets that a service gets for an argument.
    pub(crate) fn argument_tetraplets(
        &self,
        operand: Operand,
    ) -> Result<Vec<Arc<Tetraplet>>, Unresolved> {
        let selected = self.select(operand)?;
        let of_each = |data: &[Datum]| data.iter().map(|datum| datum.tetraplet.clone()).collect();
        Ok(match &selected {
            Selected::Canon(canon) => of_each(&canon.values),
            Selected::Map(map) => of_each(&map.pairs),
            other => alloc::vec![self.datum(other)?.tetraplet],
        })
    }

    /// A part of a triplet: a string.
    pub(crate) fn triplet_part(&self, part: TripletPart) -> Result<Arc<str>, Unresolved> {
        let name = match part {
            TripletPart::InitPeerId => return Ok(self.parameters.init_peer_id.clone()),
            TripletPart::Literal(text) => return Ok(self.script.literal(text).clone()),
            TripletPart::Scalar(variable) => variable.name,
            TripletPart::ScalarLens(lensed)
            | TripletPart::CanonLens(lensed)
            | TripletPart::CanonMapLens(lensed) => lensed.name,
        };
        match self.value_of(part.into())? {
            Value::String(text) => Ok(text),
            other => {
                Err(Failure::non_string_in_triplet(self.script.name(name), self.shown(&other))
                    .into())
            }
        }
    }

    /// An error for an operand that may not be waited for.
    pub(crate) fn not_joinable(&self, unresolved: Unresolved) -> Failure {
        match unresolved {
            Unresolved::Absent(name) => Failure::variable_not_found(self.script.name(name)),
            Unresolved::Failed(failure) => failure,
        }
    }
}

/// The operand of `fail`, if it is a variable.
pub(crate) fn fail_operand(operand: FailOperand) -> Option<Operand> {
    match operand {
        FailOperand::Scalar(variable) => Some(Operand::Scalar(variable)),
        FailOperand::ScalarLens(lensed) => Some(Operand::ScalarLens(lensed)),
        FailOperand::CanonLens(lensed) => Some(Operand::CanonLens(lensed)),
        FailOperand::Literal { .. } | FailOperand::LastError | FailOperand::Error => None,
    }
}
