//! `ap` (air-language §6.2, §6.3).

use crate::ast::{MapKey, Name, NodeId, Operand, Output, Variable};
use crate::data::{GENERATION_STUB, Generations, State};
use crate::value::Value;

use super::canon_values::Key;
use super::datum::Datum;
use super::failure::Failure;
use super::frame::{Begun, Flow};
use super::machine::{ITEM_BYTES, Machine};
use super::stream::Source;

impl Machine {
    pub(super) fn ap(&mut self, node: NodeId, argument: Operand, target: Output) -> Begun {
        let datum = self.stored_datum(argument);
        let Some(datum) = self.joined(datum)? else { return Ok(Flow::Done) };
        self.charge_made(argument, &datum.value)?;
        match target {
            Output::Scalar(variable) => {
                // The reference takes it and crashes at the next reading (§13, quirk 11).
                if self.iterator(variable.name).is_some() {
                    return Err(Failure::iterable_shadowing(self.script.name(variable.name)));
                }
                self.set_scalar(variable.name, datum)?;
            }
            Output::Stream(stream) => self.append(node, stream, datum)?,
        }
        Ok(Flow::Done)
    }

    /// The map form. The key is resolved before data are touched: the reference takes the state first
    /// and loses it when the key fails, so that its next run breaks off (§13, quirk 7).
    pub(super) fn ap_map(
        &mut self,
        node: NodeId,
        key: MapKey,
        value: Operand,
        map: Variable,
    ) -> Begun {
        let datum = self.stored_datum(value);
        let Some(datum) = self.joined(datum)? else { return Ok(Flow::Done) };
        self.charge_made(value, &datum.value)?;
        let key = self.value_of(key.into());
        let Some(key) = self.joined(key)? else { return Ok(Flow::Done) };
        if Key::of(&key).is_none() {
            return Err(Failure::unsupported_map_key(self.script.name(map.name)));
        }
        let value = self.pairs.pair(key, datum.value.clone())?;
        self.append(node, map, Datum { value, ..datum })?;
        Ok(Flow::Done)
    }

    /// Takes memory for a value that reading the operand made; one of a variable is only shared.
    fn charge_made(&mut self, operand: Operand, value: &Value) -> Result<(), Failure> {
        match operand {
            Operand::LastError(_)
            | Operand::Error(_)
            | Operand::Canon(_)
            | Operand::CanonMap(_)
            | Operand::CanonMapLens(_) => self.charge(made_bytes(value)),
            _ => Ok(()),
        }
    }

    /// Adds a value to a stream, where data say or as a fresh one, and leaves an ap state.
    fn append(&mut self, node: NodeId, stream: Variable, datum: Datum) -> Result<(), Failure> {
        self.check_trace()?;
        let source = self.merge.take_ap().map_err(|error| self.trace_error(node, &error))?;
        self.add_to_stream(stream, datum, source)?;
        self.push_state(State::Ap(Generations::One(GENERATION_STUB)))
    }

    /// Adds the value of the state that is about to be written.
    pub(super) fn add_to_stream(
        &mut self,
        stream: Variable,
        datum: Datum,
        source: Source,
    ) -> Result<(), Failure> {
        self.charge(ITEM_BYTES)?;
        let position = self.merge.position();
        match self.streams.get_or_create(stream) {
            Some(stream) => stream.add(datum.at(position), source),
            None => Ok(()),
        }
    }

    pub(super) fn set_scalar(&mut self, name: Name, datum: Datum) -> Result<(), Failure> {
        self.charge(ITEM_BYTES)?;
        self.scopes_mut()
            .set_scalar(name, datum)
            .map_err(|_| Failure::shadowing_not_allowed(self.script.name(name)))
    }
}

/// The memory of an error object or of a canon as a value: of its own parts, not of what these share.
fn made_bytes(value: &Value) -> usize {
    const OWN: usize = size_of::<Value>();
    let own = |value: &Value| match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len().saturating_mul(OWN),
        _ => 0,
    };
    match value {
        Value::Object(members) => members.iter().fold(0, |sum, (key, member)| {
            sum.saturating_add(key.len()).saturating_add(own(member)).saturating_add(ITEM_BYTES)
        }),
        other => own(other),
    }
}
