//! Results of calls: fresh ones and those that data hold (air-language §6.1).

use alloc::format;
use alloc::sync::Arc;

use crate::ast::Output;
use crate::data::{
    CallState, Cid, GENERATION_STUB, Provenance, ServiceResult, State, Tetraplet, ValueRef,
};
use crate::step::CallResult;
use crate::value::Value;

use super::call::Arguments;
use super::call_failure::CallFailure;
use super::datum::Datum;
use super::failure::Failure;
use super::machine::Machine;
use super::merge::Side;
use super::merge::describe::debug_text;
use super::stream::Source;

/// The code of a failure that the interpreter itself reports for a result that is not JSON.
const NOT_JSON: i32 = i32::MAX;

impl Machine {
    /// The host's answer to an own request.
    pub(super) fn arrived(
        &mut self,
        output: Option<Output>,
        triplet: &Arc<Tetraplet>,
        arguments: &Arguments,
        result: &CallResult,
    ) -> Result<(), Failure> {
        let CallResult { ret_code, result: text } = result;
        self.charge_fresh(text.len())?;
        if *ret_code != 0 {
            return self.failed(triplet, arguments, *ret_code, text);
        }
        match Value::parse(text) {
            Ok(value) => self.executed(output, triplet, arguments, value),
            // The reference does not sign this failure, so that the next peer refuses the data
            // (air-data §11, D2); here it is one like any other.
            Err(error) => {
                let message = format!(
                    "call_service result 'ret_code: 0, result: '{text}'' can't be serialized or deserialized with an error: {error}"
                );
                self.failed(triplet, arguments, NOT_JSON, &message)
            }
        }
    }

    fn executed(
        &mut self,
        output: Option<Output>,
        triplet: &Arc<Tetraplet>,
        arguments: &Arguments,
        value: Value,
    ) -> Result<(), Failure> {
        let Some(output) = output else {
            let cid = Cid::of_value(&value);
            return self.push_state(executed_state(ValueRef::Unused(cid)));
        };
        let cid = self.store_result(triplet, arguments, &value);
        self.track(&triplet.peer_pk, &cid);
        self.put(output, triplet, value, cid, Source::New)
    }

    fn failed(
        &mut self,
        triplet: &Arc<Tetraplet>,
        arguments: &Arguments,
        ret_code: i32,
        message: &str,
    ) -> Result<(), Failure> {
        let failure = CallFailure { ret_code, message: message.into() };
        let cid = self.store_result(triplet, arguments, &failure.to_value()?);
        self.track(&triplet.peer_pk, &cid);
        self.push_state(State::Call(CallState::Failed(cid)))?;
        Err(Failure::local_service(ret_code, message))
    }

    fn store_result(
        &mut self,
        triplet: &Arc<Tetraplet>,
        arguments: &Arguments,
        value: &Value,
    ) -> Cid {
        let value_cid = self.stores.add_value(value);
        let tetraplet_cid = self.stores.add_tetraplet(triplet);
        let argument_hash = Cid::of_arguments(&arguments.values);
        let cid = self.stores.add_service_result(ServiceResult {
            value_cid,
            argument_hash: argument_hash.clone(),
            tetraplet_cid,
        });
        self.argument_hashes.remember(&cid, &arguments.values, &argument_hash);
        cid
    }

    /// Sets the output's variable and leaves the state.
    fn put(
        &mut self,
        output: Output,
        triplet: &Arc<Tetraplet>,
        value: Value,
        cid: Cid,
        source: Source,
    ) -> Result<(), Failure> {
        let provenance = Provenance::ServiceResult(cid.clone());
        let datum = Datum::new(value, triplet.clone(), provenance);
        let value = match output {
            Output::Scalar(variable) => {
                self.set_scalar(variable.name, datum)?;
                ValueRef::Scalar(cid)
            }
            Output::Stream(stream) => {
                self.add_to_stream(stream, datum, source)?;
                ValueRef::Stream { cid, generation: GENERATION_STUB }
            }
        };
        self.push_state(executed_state(value))
    }

    /// A result that data hold.
    pub(super) fn replay_executed(
        &mut self,
        output: Option<Output>,
        triplet: &Arc<Tetraplet>,
        arguments: &Arguments,
        value: ValueRef,
        side: Side,
    ) -> Result<(), Failure> {
        let (output, cid, source) = match (output, value) {
            (Some(output @ Output::Scalar(_)), ValueRef::Scalar(cid)) => (output, cid, Source::New),
            (Some(output @ Output::Stream(_)), ValueRef::Stream { cid, generation }) => {
                let source = match side {
                    Side::Previous => Source::Previous(generation),
                    Side::Current => Source::Current(generation),
                };
                (output, cid, source)
            }
            // Nothing is known of an unused result that could be verified (§13, quirk 23).
            (None, value @ ValueRef::Unused(_)) => return self.push_state(executed_state(value)),
            (_, value) => return Err(Failure::result_not_correspond(&debug_text(&value))),
        };
        let value = self.stored_result(triplet, arguments, &cid)?;
        self.track(&triplet.peer_pk, &cid);
        self.put(output, triplet, value, cid, source)
    }

    /// A failure that data hold.
    pub(super) fn replay_failed(
        &mut self,
        triplet: &Arc<Tetraplet>,
        arguments: &Arguments,
        cid: Cid,
    ) -> Result<(), Failure> {
        let value = self.stored_result(triplet, arguments, &cid)?;
        let failure = CallFailure::from_value(&value)
            .map_err(|reason| Failure::malformed_call_failure(&reason))?;
        self.complete = false;
        self.track(&triplet.peer_pk, &cid);
        self.push_state(State::Call(CallState::Failed(cid)))?;
        Err(Failure::local_service(failure.ret_code, &failure.message))
    }

    /// The value of a stored service result, which must be that of this very call.
    fn stored_result(
        &mut self,
        triplet: &Tetraplet,
        arguments: &Arguments,
        cid: &Cid,
    ) -> Result<Value, Failure> {
        let result = self.stores.service_results.get(cid).cloned();
        let result = result.ok_or_else(|| not_found("service result aggregate", cid))?;
        let value = self.stored_value(&result.value_cid)?;
        let tetraplet = self.stored_tetraplet(&result.tetraplet_cid)?;
        let hash = self.argument_hashes.of(cid, &arguments.values);
        if hash != result.argument_hash {
            let (expected, got) = (format!("{hash}"), format!("{}", result.argument_hash));
            return Err(Failure::argument_hash_mismatch(&expected, &got));
        }
        if *triplet != *tetraplet {
            return Err(Failure::tetraplet_mismatch("call tetraplet", triplet, &tetraplet));
        }
        Ok(value)
    }

    /// A value of the stores. One that is not JSON crashes the reference; here it is as good as absent
    /// (air-data §11, D3).
    pub(super) fn stored_value(&mut self, cid: &Cid) -> Result<Value, Failure> {
        self.stores.value(cid).map_err(|_| not_found("value", cid))
    }

    pub(super) fn stored_tetraplet(&self, cid: &Cid) -> Result<Arc<Tetraplet>, Failure> {
        self.stores.tetraplets.get(cid).cloned().ok_or_else(|| not_found("tetraplet", cid))
    }
}

fn executed_state(value: ValueRef) -> State {
    State::Call(CallState::Executed(value))
}

/// A CID of the trace or of a store that leads nowhere.
pub(super) fn not_found(store: &str, cid: &Cid) -> Failure {
    Failure::value_for_cid_not_found(store, &format!("{cid}"))
}
