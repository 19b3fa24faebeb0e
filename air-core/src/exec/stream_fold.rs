//! `fold` over streams and stream maps, wave by wave (air-language §6.8).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::{IntoIter, Vec};

use crate::ast::{Name, NodeId, Variable};

use super::datum::Datum;
use super::error_state::Thrown;
use super::failure::Failure;
use super::frame::{Begun, Flow, Frame};
use super::iteration::{Elements, Iteration};
use super::machine::Machine;
use super::merge::FoldId;
use super::stream::Cursor;
use super::streams::SlotId;

/// A running fold over a stream.
#[derive(Debug)]
pub(crate) struct StreamFold {
    node: NodeId,
    id: FoldId,
    slot: SlotId,
    iterator: Name,
    body: NodeId,
    last: Option<NodeId>,
    cursor: Cursor,
    /// The generations of this wave that are still to be visited.
    wave: IntoIter<Vec<Datum>>,
    /// Whether some generation ended complete.
    observed: bool,
}

impl Machine {
    pub(super) fn fold_stream(
        &mut self,
        node: NodeId,
        stream: Variable,
        iterator: Name,
        body: NodeId,
        last: Option<NodeId>,
    ) -> Begun {
        let slot = self.streams.slots.of_use(stream);
        if self.streams.get_mut(slot).is_none() {
            self.complete = false;
            return Ok(Flow::Done);
        }
        self.before_stream_fold(node);
        self.check_trace()?;
        let id = self.merge.start_fold().map_err(|error| self.trace_error(node, &error))?;
        let fold = StreamFold {
            node,
            id,
            slot,
            iterator,
            body,
            last,
            cursor: Cursor::default(),
            wave: Vec::new().into_iter(),
            observed: false,
        };
        self.next_generation(Box::new(fold))
    }

    /// Visits the next generation, or ends the fold if a wave added nothing.
    fn next_generation(&mut self, mut fold: Box<StreamFold>) -> Begun {
        let generation = match fold.wave.next() {
            Some(generation) => Some(generation),
            None => {
                let values = self.streams.get_mut(fold.slot).map_or(0, |stream| stream.len());
                self.spend(values);
                let wave = match self.streams.get_mut(fold.slot) {
                    Some(stream) => {
                        let merge = &self.merge;
                        fold.cursor.next_wave(stream, |position| merge.has_lore(fold.id, position))
                    }
                    None => Vec::new(),
                };
                fold.wave = wave.into_iter();
                fold.wave.next()
            }
        };
        let Some(generation) = generation else {
            self.merge.end_fold(fold.id);
            self.after_stream_fold();
            self.complete = fold.observed;
            return Ok(Flow::Done);
        };
        let position = generation.first().map_or(0, |datum| datum.position);
        self.merge
            .start_iteration(fold.id, position)
            .map_err(|error| self.trace_error(fold.node, &error))?;
        let elements = Elements::Data(Arc::new(generation));
        let iteration = Iteration::new(elements, fold.body, fold.last, Some(fold.id));
        self.open_iteration(fold.iterator, iteration)?;
        let body = fold.body;
        self.push_frame(Frame::StreamFold(fold))?;
        Ok(Flow::Enter(body))
    }

    /// A generation is over; its catchable error is swallowed.
    pub(super) fn after_generation(
        &mut self,
        mut fold: Box<StreamFold>,
        _result: Result<(), Thrown>,
    ) -> Flow {
        self.close_iteration(fold.iterator);
        self.merge.end_generation(fold.id);
        fold.observed |= self.complete;
        let node = fold.node;
        match self.next_generation(fold) {
            Ok(flow) => flow,
            Err(failure) => self.raised(node, failure),
        }
    }

    fn raised(&mut self, node: NodeId, failure: Failure) -> Flow {
        Flow::Fail(self.raise(node, failure))
    }
}
