//! `fail` (air-language §6.11).

use alloc::format;

use crate::ast::{Failure as FailOperand, NodeId};
use crate::data::Provenance;
use crate::value::Value;

use super::error_state::error_object;
use super::failure::{Failure, Shown};
use super::frame::{Begun, Flow};
use super::machine::Machine;
use super::select::fail_operand;

impl Machine {
    pub(super) fn fail(&mut self, node: NodeId, operand: FailOperand) -> Begun {
        let (value, tetraplet, provenance) = match operand {
            FailOperand::Literal { code, message } => {
                let value = error_object(
                    code,
                    Some(&self.script.instruction_text(node)),
                    self.script.literal(message),
                    // The initial peer, not this one (§13, quirk 27).
                    Some(&self.parameters.init_peer_id),
                );
                (value, Some(self.literal_tetraplet.clone()), Provenance::Literal)
            }
            FailOperand::LastError | FailOperand::Error => {
                let slot = match operand {
                    FailOperand::Error => &self.errors.error,
                    _ => &self.errors.last,
                };
                let value = slot.value(&self.script);
                self.check_size(value.size())?;
                (value, slot.tetraplet.clone(), slot.provenance.clone())
            }
            FailOperand::Scalar(_) | FailOperand::ScalarLens(_) | FailOperand::CanonLens(_) => {
                let Some(operand) = fail_operand(operand) else { return Ok(Flow::Done) };
                let selected = self.select(operand).map_err(|error| self.not_joinable(error))?;
                let datum = self.datum(&selected)?;
                (datum.value, Some(datum.tetraplet), datum.provenance)
            }
        };
        check_error_object(self.shown(&value))?;
        self.complete = false;
        self.errors.fail_with(value.clone(), tetraplet, provenance);
        if matches!(operand, FailOperand::Error)
            && let Some(original) = self.errors.fail_again()
        {
            return Ok(Flow::Fail(original));
        }
        Err(Failure::user(self.shown(&value)))
    }
}

/// Whether `fail` can raise the value.
fn check_error_object(shown: Shown<'_>) -> Result<(), Failure> {
    let Some(object) = shown.value.as_object() else {
        return Err(Failure::invalid_error_object(format!(
            "scalar should have an object type to be converted into error object, but '{}' doesn't have",
            shown
        )));
    };
    let field = |name: &str| {
        object.get(name).ok_or_else(|| {
            Failure::invalid_error_object(format!(
                "scalar '{}' must have field with name '{name}'",
                shown
            ))
        })
    };
    let wrong_type = |name: &str, expected: &str| {
        Failure::invalid_error_object(format!(
            "{name} of scalar '{}' must have {expected} type",
            shown
        ))
    };
    // A code above 2⁶³ − 1 crashes the reference (§13, quirk 21).
    let code = field("error_code")?
        .as_number()
        .and_then(|number| number.as_i64())
        .ok_or_else(|| wrong_type("error_code", "integer"))?;
    if code == 0 {
        return Err(Failure::invalid_error_object("error code must be non-zero, but it is zero"));
    }
    match field("message")? {
        Value::String(_) => Ok(()),
        _ => Err(wrong_type("message", "string")),
    }
}
