//! `new`, and the numbers that generations get when a stream's scope ends (air-language §6.10, §4.4).

use crate::ast::{Instruction, NodeId, Restricted};
use crate::data::{CallState, Generations, State, ValueRef};

use super::error_state::Thrown;
use super::failure::Failure;
use super::frame::{Begun, Flow, Frame};
use super::machine::Machine;
use super::merge::describe::debug_text;
use super::stream::Stream;

impl Machine {
    pub(super) fn new_scope(&mut self, node: NodeId, target: Restricted, body: NodeId) -> Begun {
        let depth = self.scopes.depth();
        self.push_frame(Frame::New { node })?;
        match target {
            Restricted::Scalar(variable) => {
                self.scopes_mut().scalars.restrict(variable.name, depth);
            }
            Restricted::Canon(variable) => {
                self.scopes_mut().canons.restrict(variable.name, depth);
            }
            Restricted::CanonMap(variable) => {
                self.scopes_mut().maps.restrict(variable.name, depth);
            }
            Restricted::Stream(variable) | Restricted::StreamMap(variable) => {
                let slot = self.streams.slots.of_new(node, variable);
                self.streams.restrict(slot);
            }
        }
        Ok(Flow::Enter(body))
    }

    /// The end of the scope; the body's error counts before the epilogue's.
    pub(super) fn after_new(&mut self, node: NodeId, body: Result<(), Thrown>) -> Flow {
        let epilogue = self.end_scope(node);
        match (body, epilogue) {
            (Err(thrown), _) => Flow::Fail(thrown),
            (Ok(()), Err(failure)) => Flow::Fail(self.raise(node, failure)),
            (Ok(()), Ok(())) => Flow::Done,
        }
    }

    fn end_scope(&mut self, node: NodeId) -> Result<(), Failure> {
        let Instruction::New { target, .. } = *self.script.instruction(node) else { return Ok(()) };
        let depth = self.scopes.depth();
        let name = target.variable().name;
        let released = match target {
            Restricted::Scalar(_) => self.scopes_mut().scalars.release(name, depth),
            Restricted::Canon(_) => self.scopes_mut().canons.release(name, depth),
            Restricted::CanonMap(_) => self.scopes_mut().maps.release(name, depth),
            Restricted::Stream(variable) | Restricted::StreamMap(variable) => {
                let slot = self.streams.slots.of_new(node, variable);
                return match self.streams.release(slot) {
                    Some(stream) => self.number_generations(&stream),
                    None => Ok(()),
                };
            }
        };
        released.map_err(|corrupted| {
            Failure::scalars_state_corrupted(self.script.name(name), corrupted.depth)
        })
    }

    /// Numbers the non-empty generations of a stream in reading order and writes each value's number
    /// into its state.
    pub(super) fn number_generations(&mut self, stream: &Stream) -> Result<(), Failure> {
        let generations = stream.generations().filter(|values| !values.is_empty());
        for (number, values) in (0_u32..).zip(generations) {
            for datum in values {
                let position = datum.position;
                match self.merge.state_mut(position) {
                    Some(State::Ap(generations)) => *generations = Generations::One(number),
                    Some(State::Call(CallState::Executed(ValueRef::Stream {
                        generation, ..
                    }))) => *generation = number,
                    Some(state) => {
                        let state = debug_text(&*state);
                        return Err(Failure::state_without_generation(&state, position));
                    }
                    None => return Err(Failure::generation_of_invalid_position(position)),
                }
            }
        }
        Ok(())
    }
}
