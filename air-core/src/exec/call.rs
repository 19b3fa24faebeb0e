//! `call`: from the triplet to the state that it leaves (air-language §6.1, air-data §7.3).

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::{Call, NodeId, Output};
use crate::data::{CallState, Sender, State, Tetraplet};
use crate::step::CallRequest;
use crate::value::Value;

use super::error_state::{Culprit, Thrown};
use super::failure::{Failure, Unresolved};
use super::frame::Flow;
use super::machine::Machine;
use super::merge::MergedCall;
use super::scopes::Lookup;

/// The argument values of a call.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) values: Vec<Value>,
}

impl Machine {
    pub(super) fn call(&mut self, node: NodeId, call: &Call) -> Flow {
        let triplet = match self.triplet(call) {
            Ok(triplet) => Arc::new(triplet),
            Err(Unresolved::Absent(_)) => {
                self.complete = false;
                return Flow::Done;
            }
            Err(Unresolved::Failed(failure)) => {
                return Flow::Fail(self.raise_in_call(node, failure, None));
            }
        };
        match self.call_resolved(node, call, &triplet) {
            Ok(()) => Flow::Done,
            Err(failure) => Flow::Fail(self.raise_in_call(node, failure, Some(triplet))),
        }
    }

    /// A call names the peer that it is for, and its triplet once it is known.
    fn raise_in_call(
        &mut self,
        node: NodeId,
        failure: Failure,
        tetraplet: Option<Arc<Tetraplet>>,
    ) -> Thrown {
        let peer = match &tetraplet {
            Some(tetraplet) => tetraplet.peer_pk.clone(),
            None => self.parameters.current_peer_id.clone(),
        };
        self.errors.record(&failure, Culprit { node, peer, log_peer: true, tetraplet });
        Thrown { failure, node }
    }

    fn triplet(&self, call: &Call) -> Result<Tetraplet, Unresolved> {
        let peer = self.triplet_part(call.peer)?;
        let service = self.triplet_part(call.service)?;
        let function = self.triplet_part(call.function)?;
        Ok(Tetraplet::of_call(peer, service, function))
    }

    fn call_resolved(
        &mut self,
        node: NodeId,
        call: &Call,
        triplet: &Arc<Tetraplet>,
    ) -> Result<(), Failure> {
        self.check_output(call.output)?;
        let arguments = self.arguments(call)?;
        self.check_trace()?;
        let merged = self.merge.take_call().map_err(|error| self.trace_error(node, &error))?;
        let Some(MergedCall { state, side }) = merged else {
            return self.request(node, call, triplet, arguments, None);
        };
        match state {
            CallState::Executed(value) => {
                let arguments = arguments.ok_or_else(unresolved_arguments)?;
                self.replay_executed(call.output, triplet, &arguments, value, side)
            }
            CallState::Failed(cid) => {
                let arguments = arguments.ok_or_else(unresolved_arguments)?;
                self.replay_failed(triplet, &arguments, cid)
            }
            CallState::RequestSentBy(sender) => self.sent(node, call, triplet, arguments, sender),
        }
    }

    /// Acts on a request that was sent before.
    fn sent(
        &mut self,
        node: NodeId,
        call: &Call,
        triplet: &Arc<Tetraplet>,
        arguments: Option<Arguments>,
        sender: Sender,
    ) -> Result<(), Failure> {
        if let Some(id) = sender.call_id.filter(|_| self.is_here(&sender.peer_id)) {
            if let Some(result) = self.results.take(id) {
                let arguments = arguments.ok_or_else(unresolved_arguments)?;
                return self.arrived(call.output, triplet, &arguments, &result);
            }
        } else if self.is_here(&triplet.peer_pk) {
            return self.request(node, call, triplet, arguments, Some(sender));
        }
        self.complete = false;
        self.checkpoints.is_waiting |= sender.call_id.is_some() && self.is_here(&sender.peer_id);
        self.push_state(State::Call(CallState::RequestSentBy(sender)))
    }

    /// Sends the request on its way: to the host if the call is for this peer.
    fn request(
        &mut self,
        node: NodeId,
        call: &Call,
        triplet: &Arc<Tetraplet>,
        arguments: Option<Arguments>,
        before: Option<Sender>,
    ) -> Result<(), Failure> {
        self.complete = false;
        let here = self.parameters.current_peer_id.clone();
        let sender = if !self.is_here(&triplet.peer_pk) {
            self.send_to(&triplet.peer_pk);
            Sender { peer_id: here, call_id: None }
        } else if let Some(arguments) = arguments {
            let id = self.ask_host(node, call, triplet, arguments)?;
            Sender { peer_id: here, call_id: Some(id) }
        } else if let Some(before) = before {
            before
        } else {
            return Ok(());
        };
        self.push_state(State::Call(CallState::RequestSentBy(sender)))
    }

    fn ask_host(
        &mut self,
        node: NodeId,
        call: &Call,
        triplet: &Tetraplet,
        arguments: Arguments,
    ) -> Result<u32, Failure> {
        let script = self.script.clone();
        let tetraplets = script
            .operands(call.arguments)
            .iter()
            .map(|&operand| self.argument_tetraplets(operand))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.not_joinable(error))?;
        let id = self.next_request_id(node)?;
        self.requests.push(CallRequest {
            id,
            service_id: triplet.service_id.clone(),
            function_name: triplet.function_name.clone(),
            arguments: arguments.values,
            tetraplets,
        });
        Ok(id)
    }

    /// A number for a request of this peer.
    ///
    /// Numbers that data claim to be of this peer's requests are not given out again, whether they are
    /// or not: else forged data could have the result of one call taken for that of another
    /// (air-data §11, D4). In honest data they are at most the last number.
    fn next_request_id(&mut self, node: NodeId) -> Result<u32, Failure> {
        let claimed = match self.claimed_request_id {
            Some(claimed) => claimed,
            None => self.merge.highest_request_id(&self.parameters.current_peer_id),
        };
        self.claimed_request_id = Some(claimed);
        let last = self.last_call_request_id.max(claimed);
        let id = last.checked_add(1).ok_or_else(|| {
            let instruction = self.script.instruction_text(node);
            Failure::trace(&instruction, "there is no further number for a call request")
        })?;
        self.last_call_request_id = id;
        self.checkpoints.is_waiting = true;
        Ok(id)
    }

    /// Whether the result can be put where it shall go. This precedes the arguments.
    fn check_output(&self, output: Option<Output>) -> Result<(), Failure> {
        let Some(Output::Scalar(variable)) = output else { return Ok(()) };
        let name = variable.name;
        match self.scopes.scalar(name) {
            Lookup::Set(_) if !self.scopes.can_set_scalar(name) => {
                Err(Failure::shadowing_not_allowed(self.script.name(name)))
            }
            Lookup::Set(_) | Lookup::Absent if self.iterator(name).is_some() => {
                Err(Failure::iterable_shadowing(self.script.name(name)))
            }
            _ => Ok(()),
        }
    }

    /// The arguments; nothing if one of them is not there yet, even if one behind it would fail.
    fn arguments(&mut self, call: &Call) -> Result<Option<Arguments>, Failure> {
        let script = self.script.clone();
        let operands = script.operands(call.arguments);
        let mut values = Vec::with_capacity(operands.len());
        let mut size = 0_usize;
        for &operand in operands {
            match self.value_of(operand) {
                Ok(value) => {
                    size = size.saturating_add(value.size());
                    values.push(value);
                }
                Err(Unresolved::Absent(_)) => return Ok(None),
                Err(Unresolved::Failed(failure)) => return Err(failure),
            }
        }
        // They will be hashed as one text.
        self.check_size(size)?;
        self.spend_bytes(size);
        Ok(Some(Arguments { values }))
    }
}

/// Data hold a result although the arguments cannot be had: the reference crashes (§13, quirk 26).
fn unresolved_arguments() -> Failure {
    Failure::argument_hash_mismatch("a value for each argument", "an undefined variable")
}
