//! The pure step: bytes in, bytes out, as the reference's entry point (air-data §1, §8).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::{Script, Span};
use crate::data::{
    ParticleData, PreparationError, SignatureStore, decode_call_results, encode,
    encode_call_requests, prepare,
};
use crate::exec::argument_hashes::ArgumentHashes;
use crate::exec::machine::{Input, Machine};
use crate::exec::results::CallResults;
use crate::exec::settle::{Settled, settle};
use crate::exec::streams::StreamSlots;

use super::{Parameters, SizeFlags, StepOutcome};

const PARSE_ERROR: i64 = 1;
const CALL_RESULTS_ERROR: i64 = 5;
const SIZE_LIMIT_ERROR: i64 = 10;
/// The code of the reference for a failure while the outcome is built.
const SIGNING_ERROR: i64 = 30001;

/// The outcome of a pure step (air-data §8.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// 0 or the code of the error.
    pub ret_code: i64,
    /// The error's text, empty on success.
    pub error_message: String,
    /// Where in the script the failing instruction stands, if an instruction failed.
    pub span: Option<Span>,
    /// To be stored as previous data, and sent to the next peers.
    pub data: Vec<u8>,
    /// Peers to send the data to, each once, in the order in which they were met.
    pub next_peer_pks: Vec<Arc<str>>,
    /// Requests to make, encoded.
    pub call_requests: Vec<u8>,
    /// Whether the script is longer than its limit.
    pub air_size_limit_exceeded: bool,
    /// Whether current data are longer than their limit.
    pub particle_size_limit_exceeded: bool,
    /// Whether a call result is longer than its limit.
    pub call_result_size_limit_exceeded: bool,
}

/// Interprets a script once.
///
/// `previous` are the data that this peer stored after its last step of the particle, `current` those
/// that came with the particle, `call_results` the encoded answers to earlier requests. The result
/// depends on nothing else, bytes included.
#[must_use]
pub fn invoke(
    script: &str,
    previous: &[u8],
    current: &[u8],
    parameters: &Parameters,
    call_results: &[u8],
) -> Outcome {
    match step(script, previous, current, parameters, call_results) {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome {
            ret_code: refusal.code,
            error_message: refusal.message,
            span: refusal.span,
            data: previous.to_owned(),
            next_peer_pks: Vec::new(),
            call_requests: encode_call_requests(&[]),
            air_size_limit_exceeded: refusal.flags.air,
            particle_size_limit_exceeded: refusal.flags.particle,
            call_result_size_limit_exceeded: refusal.flags.call_result,
        },
    }
}

/// The steps of air-data §1, in their order; an error leaves previous data as they are.
fn step(
    script: &str,
    previous: &[u8],
    current: &[u8],
    parameters: &Parameters,
    call_results: &[u8],
) -> Result<Outcome, StepOutcome> {
    let mut flags = check_sizes(Some(script.len()), current.len(), parameters)?;
    let refuse = |code, message| refusal(code, message, flags);
    let prepared = prepare(previous, current, &parameters.particle_id, parameters.signatures)
        .map_err(|error| refuse_preparation(&error, flags))?;
    let script = Script::parse(script).map_err(|error| {
        refuse(PARSE_ERROR, format!("air can't be parsed:\n{}", error.render()))
    })?;
    let results = decode_call_results(call_results)
        .map_err(|error| refuse(CALL_RESULTS_ERROR, error.to_string()))?;
    let results = CallResults::from(results);
    check_result_sizes(&results, parameters, &mut flags)?;
    let key_pair = parameters
        .key_pair()
        .map_err(|error| refuse_preparation(&PreparationError::KeyPair(error), flags))?;

    let script = Arc::new(script);
    let mut machine = Machine::new(Input {
        slots: Arc::new(StreamSlots::new(&script)),
        script: script.clone(),
        parameters: Arc::new(parameters.clone()),
        previous: prepared.previous_trace,
        current: prepared.current_trace,
        stores: prepared.stores,
        last_call_request_id: prepared.last_call_request_id,
        results,
        argument_hashes: ArgumentHashes::default(),
        is_kept: false,
    });
    while !machine.run(u64::MAX) {}
    let (outcome, stores, settled) = settle(machine.finish(), &script);
    let Settled::New { trace, last_call_request_id, produced, .. } = settled else {
        return Err(StepOutcome { flags, ..outcome });
    };
    let mut signatures: SignatureStore = prepared.signatures;
    signatures.put(produced.sign(&key_pair, &parameters.particle_id));
    let data = ParticleData { trace, last_call_request_id, stores, signatures };
    let data =
        encode(&data, None).map_err(|error| refusal(SIGNING_ERROR, error.to_string(), flags))?;
    Ok(Outcome {
        ret_code: outcome.code,
        error_message: outcome.message,
        span: outcome.span,
        data,
        next_peer_pks: outcome.next_peers,
        call_requests: encode_call_requests(&outcome.requests),
        air_size_limit_exceeded: flags.air,
        particle_size_limit_exceeded: flags.particle,
        call_result_size_limit_exceeded: flags.call_result,
    })
}

/// An outcome of nothing but an error.
pub(crate) fn refusal(code: i64, message: String, flags: SizeFlags) -> StepOutcome {
    StepOutcome { code, message, flags, ..StepOutcome::default() }
}

/// The outcome for data that cannot be used.
pub(crate) fn refuse_preparation(error: &PreparationError, flags: SizeFlags) -> StepOutcome {
    refusal(error.code(), error.to_string(), flags)
}

fn exceeds(len: usize, limit: u64) -> bool {
    u64::try_from(len).is_ok_and(|len| len > limit)
}

/// Compares script (if it is new) and current data with their limits; with hard limits no flag is set
/// (air-data §9).
pub(crate) fn check_sizes(
    script: Option<usize>,
    current: usize,
    parameters: &Parameters,
) -> Result<SizeFlags, StepOutcome> {
    let air_limit = parameters.air_size_limit;
    let particle_limit = parameters.particle_size_limit;
    let air = script.filter(|&len| exceeds(len, air_limit));
    let particle = exceeds(current, particle_limit);
    if parameters.hard_limit_enabled {
        let message = match (air, particle) {
            (Some(len), _) => Some(format!(
                "air size: {len} bytes is bigger than the limit allowed: {air_limit} bytes"
            )),
            (None, true) => Some(format!(
                "Current_data particle size: {current} bytes is bigger than the limit allowed: {particle_limit} bytes"
            )),
            (None, false) => None,
        };
        if let Some(message) = message {
            return Err(refusal(SIZE_LIMIT_ERROR, message, SizeFlags::default()));
        }
    }
    Ok(SizeFlags { air: air.is_some(), particle, call_result: false })
}

/// Compares the longest call result with its limit.
pub(crate) fn check_result_sizes(
    results: &CallResults,
    parameters: &Parameters,
    flags: &mut SizeFlags,
) -> Result<(), StepOutcome> {
    let limit = parameters.call_result_size_limit;
    flags.call_result = exceeds(results.longest(), limit);
    if flags.call_result && parameters.hard_limit_enabled {
        let message = format!("Call result size is bigger than the limit allowed: {limit} bytes");
        return Err(refusal(SIZE_LIMIT_ERROR, message, *flags));
    }
    Ok(())
}
