//! From the end of an execution to the outcome of a step (air-language §8.7).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::ast::Script;
use crate::data::{CidStores, SignedCids, State};
use crate::step::StepOutcome;

use super::checkpoint::Checkpoint;
use super::machine::Output;

/// The code for call results that no call took.
const UNPROCESSED_CALL_RESULTS: i64 = 30000;

/// What is left when a step is over.
#[derive(Debug)]
pub(crate) enum Settled {
    /// New data: success, a catchable error, or unprocessed results.
    New {
        trace: Vec<State>,
        last_call_request_id: u32,
        produced: SignedCids,
        /// Where the next step can go on.
        checkpoint: Option<Box<Checkpoint>>,
    },
    /// An uncatchable error: the data stay as they were; here is the trace that they had.
    Unchanged { trace: Vec<State> },
}

/// The outcome, the stores with what the step added, and what becomes of the data.
pub(crate) fn settle(output: Output, script: &Script) -> (StepOutcome, CidStores, Settled) {
    let (code, message, span) = match output.result {
        Ok(()) if output.unprocessed.is_empty() => (0, String::new(), None),
        Ok(()) => {
            let message = format!(
                "after finishing execution of supplied AIR, there are some unprocessed call results: `{}`, probably a wrong call_id used",
                output.unprocessed
            );
            (UNPROCESSED_CALL_RESULTS, message, None)
        }
        Err(thrown) => {
            let span = Some(script.span(thrown.node));
            (thrown.failure.code, thrown.failure.message.into_owned(), span)
        }
    };
    let mut outcome = StepOutcome { code, message, span, ..StepOutcome::default() };
    if !outcome.has_new_data() {
        return (outcome, output.stores, Settled::Unchanged { trace: output.previous });
    }
    outcome.next_peers = output.next_peers;
    outcome.requests = output.requests;
    let settled = Settled::New {
        trace: output.trace,
        last_call_request_id: output.last_call_request_id,
        produced: output.produced,
        checkpoint: output.checkpoint,
    };
    (outcome, output.stores, settled)
}
