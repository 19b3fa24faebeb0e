//! `fold` over values that are all there, and `next` (air-language §6.7, §6.9).

use alloc::format;
use alloc::sync::Arc;

use crate::ast::{Iterable, Lensed, Name, NodeId, Operand};
use crate::value::Value;

use super::datum::with_lens;
use super::error_state::Thrown;
use super::failure::{Failure, Unresolved};
use super::frame::{Begun, Flow, Frame};
use super::iteration::{Elements, Iteration};
use super::machine::{ITEM_BYTES, Machine};

impl Machine {
    pub(super) fn fold(
        &mut self,
        node: NodeId,
        iterable: Iterable,
        iterator: Name,
        body: NodeId,
        last: Option<NodeId>,
    ) -> Begun {
        let elements = match iterable {
            Iterable::Stream(stream) | Iterable::StreamMap(stream) => {
                return self.fold_stream(node, stream, iterator, body, last);
            }
            other => self.elements(other),
        };
        let Some(elements) = self.joined(elements)? else { return Ok(Flow::Done) };
        if elements.len() == 0 {
            return Ok(Flow::Done);
        }
        let iteration = Iteration::new(elements, body, last, None);
        self.open_iteration(iterator, iteration)?;
        self.push_frame(Frame::ScalarFold { iterator })?;
        Ok(Flow::Enter(body))
    }

    /// Starts an iterator in a scope of its own.
    pub(super) fn open_iteration(
        &mut self,
        iterator: Name,
        iteration: Iteration,
    ) -> Result<(), Failure> {
        if self.iterator(iterator).is_some() {
            return Err(Failure::multiple_iterable_values(self.script.name(iterator)));
        }
        self.charge(iteration.kept().saturating_mul(ITEM_BYTES))?;
        self.scopes_mut().enter_fold();
        self.set_iterator(iterator, Some(iteration));
        Ok(())
    }

    pub(super) fn close_iteration(&mut self, iterator: Name) {
        self.scopes_mut().leave_fold();
        self.set_iterator(iterator, None);
    }

    pub(super) fn after_scalar_fold(&mut self, iterator: Name, result: Result<(), Thrown>) -> Flow {
        self.close_iteration(iterator);
        result.map_or_else(Flow::Fail, |()| Flow::Done)
    }

    /// What a fold over anything but streams visits.
    fn elements(&self, iterable: Iterable) -> Result<Elements, Unresolved> {
        let operand = match iterable {
            Iterable::EmptyArray | Iterable::Stream(_) | Iterable::StreamMap(_) => {
                return Ok(Elements::Data(Arc::default()));
            }
            Iterable::Canon(variable) => {
                let values = self.canon_stream(variable.name)?.values.clone();
                return Ok(Elements::Data(Arc::new(values)));
            }
            Iterable::CanonMap(variable) => {
                let pairs = self.canon_map(variable.name)?.unique_pairs();
                return Ok(Elements::Data(Arc::new(pairs.cloned().collect())));
            }
            Iterable::Scalar(variable) => Operand::Scalar(variable),
            Iterable::ScalarLens(lensed) => Operand::ScalarLens(lensed),
            Iterable::CanonMapLens(lensed) => return self.elements_of_map_lens(lensed),
        };
        let selected = self.select(operand)?;
        let datum = self.datum(&selected)?;
        match datum.value {
            Value::Array(items) => Ok(Elements::Array {
                items,
                tetraplet: datum.tetraplet,
                provenance: datum.provenance,
            }),
            other => Err(self.not_an_array(iterable, &other).into()),
        }
    }

    fn elements_of_map_lens(&self, lensed: Lensed) -> Result<Elements, Unresolved> {
        let map = self.canon_map(lensed.name)?;
        if map.pairs.is_empty() {
            return Ok(Elements::Data(Arc::default()));
        }
        let value = self.bounded(&self.select_in_map(map, lensed.lens)?)?;
        let Value::Array(items) = value else {
            return Err(self.not_an_array(Iterable::CanonMapLens(lensed), &value).into());
        };
        let tetraplet = with_lens(&map.tetraplet, &self.script.lens_text(lensed.lens));
        Ok(Elements::Array { items, tetraplet, provenance: map.provenance() })
    }

    fn not_an_array(&self, iterable: Iterable, value: &Value) -> Failure {
        let expression = match iterable {
            Iterable::ScalarLens(lensed) | Iterable::CanonMapLens(lensed) => {
                self.script.lens_text(lensed.lens)
            }
            Iterable::Scalar(variable) => format!("{}", self.script.name(variable.name)),
            _ => "[]".into(),
        };
        Failure::fold_iterates_over_non_array(&expression, self.shown(value))
    }

    pub(super) fn next(&mut self, node: NodeId, iterator: Name) -> Begun {
        let Some(iteration) = self.iterator(iterator) else {
            return Err(Failure::fold_state_not_found(self.script.name(iterator)));
        };
        let (fold, last, body) = (iteration.fold, iteration.last, iteration.body);
        if let Some(fold) = fold {
            self.merge.end_iteration(fold);
        }
        if self.iterator_mut(iterator).is_some_and(Iteration::advance) {
            let position = self.iterator(iterator).map_or(0, Iteration::position);
            if let Some(fold) = fold {
                self.merge
                    .start_iteration(fold, position)
                    .map_err(|error| self.trace_error(node, &error))?;
            }
            self.charge(ITEM_BYTES)?;
            self.scopes_mut().enter_next();
            self.push_frame(Frame::Next { node, iterator })?;
            return Ok(Flow::Enter(body));
        }
        if let Some(fold) = fold {
            self.merge.return_from_next(fold).map_err(|error| self.trace_error(node, &error))?;
        }
        let first_time = self
            .iterator_mut(iterator)
            .is_some_and(|iteration| !core::mem::replace(&mut iteration.exhausted, true));
        match last {
            Some(last) => {
                self.complete = true;
                Ok(Flow::Enter(last))
            }
            None => {
                if fold.is_some() && first_time {
                    self.complete = false;
                }
                Ok(Flow::Done)
            }
        }
    }

    pub(super) fn after_next(
        &mut self,
        node: NodeId,
        iterator: Name,
        result: Result<(), Thrown>,
    ) -> Flow {
        self.scopes_mut().leave_next();
        if let Err(thrown) = result {
            // The iterator stays where it was (§13, quirk 12).
            return Flow::Fail(thrown);
        }
        let Some(iteration) = self.iterator_mut(iterator) else { return Flow::Done };
        iteration.retreat();
        let Some(fold) = iteration.fold else { return Flow::Done };
        match self.merge.return_from_next(fold) {
            Ok(()) => Flow::Done,
            Err(error) => {
                let failure = self.trace_error(node, &error);
                Flow::Fail(self.raise(node, failure))
            }
        }
    }
}
