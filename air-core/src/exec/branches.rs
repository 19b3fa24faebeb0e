//! `seq`, `par`, `xor`, `match`, `mismatch` (air-language §6.5, §6.6).

use alloc::boxed::Box;

use crate::ast::{Instruction, NodeId, Operand};

use super::error_state::Thrown;
use super::failure::Failure;
use super::frame::{Begun, Branch, Flow, Frame};
use super::machine::Machine;
use super::merge::ParMerge;

impl Machine {
    pub(super) fn seq(&mut self, left: NodeId, right: NodeId) -> Begun {
        self.complete = true;
        self.push_frame(Frame::Seq { right })?;
        Ok(Flow::Enter(left))
    }

    pub(super) fn after_seq_left(&mut self, right: NodeId, left: Result<(), Thrown>) -> Flow {
        match left {
            Err(thrown) => Flow::Fail(thrown),
            Ok(()) if self.complete => Flow::Enter(right),
            Ok(()) => Flow::Done,
        }
    }

    pub(super) fn par(&mut self, node: NodeId, left: NodeId, right: NodeId) -> Begun {
        self.check_trace()?;
        let par = self.merge.start_par().map_err(|error| self.trace_error(node, &error))?;
        self.begin_branch(left);
        self.push_frame(Frame::ParLeft { right, par: Box::new(par) })?;
        Ok(Flow::Enter(left))
    }

    /// A branch that is a `next` counts as incomplete until something in it is complete.
    fn begin_branch(&mut self, branch: NodeId) {
        self.complete = !matches!(self.script.instruction(branch), Instruction::Next { .. });
    }

    fn end_branch(&self, result: &Result<(), Thrown>) -> Branch {
        Branch { succeeded: result.is_ok(), complete: self.complete && result.is_ok() }
    }

    pub(super) fn after_par_left(
        &mut self,
        right: NodeId,
        mut par: Box<ParMerge>,
        result: &Result<(), Thrown>,
    ) -> Flow {
        let left = self.end_branch(result);
        self.merge.start_right(&mut par);
        self.begin_branch(right);
        // The frame of the left branch has just made room for this one.
        match self.push_frame(Frame::ParRight { left, par }) {
            Ok(()) => Flow::Enter(right),
            Err(failure) => Flow::Fail(self.raise(right, failure)),
        }
    }

    pub(super) fn after_par_right(
        &mut self,
        left: Branch,
        par: &ParMerge,
        result: Result<(), Thrown>,
    ) -> Flow {
        let right = self.end_branch(&result);
        self.merge.end_par(par);
        self.complete = left.complete || right.complete;
        match result {
            Err(thrown) if !left.succeeded => Flow::Fail(thrown),
            _ => {
                self.errors.par_succeeded();
                Flow::Done
            }
        }
    }

    pub(super) fn xor(&mut self, left: NodeId, right: NodeId) -> Begun {
        self.complete = true;
        self.push_frame(Frame::XorLeft { right })?;
        Ok(Flow::Enter(left))
    }

    pub(super) fn after_xor_left(&mut self, right: NodeId, left: Result<(), Thrown>) -> Flow {
        let Err(thrown) = left else { return Flow::Done };
        self.complete = true;
        self.errors.caught(thrown);
        match self.push_frame(Frame::XorRight) {
            Ok(()) => Flow::Enter(right),
            Err(failure) => Flow::Fail(self.raise(right, failure)),
        }
    }

    pub(super) fn after_xor_right(&mut self, right: Result<(), Thrown>) -> Flow {
        self.errors.handled(right.is_ok());
        right.map_or_else(Flow::Fail, |()| Flow::Done)
    }

    /// `match` if the values shall be equal, else `mismatch`.
    pub(super) fn compare(
        &mut self,
        left: Operand,
        right: Operand,
        body: NodeId,
        equal: bool,
    ) -> Begun {
        let left = self.value_of(left);
        let Some(left) = self.joined(left)? else { return Ok(Flow::Done) };
        let right = self.value_of(right);
        let Some(right) = self.joined(right)? else { return Ok(Flow::Done) };
        // Shared parts are compared as often as they occur.
        self.spend_bytes(left.size().min(right.size()));
        match (left == right, equal) {
            (true, true) | (false, false) => Ok(Flow::Enter(body)),
            (false, true) => Err(Failure::match_values_not_equal()),
            (true, false) => Err(Failure::mismatch_values_equal()),
        }
    }
}
