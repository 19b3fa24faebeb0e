//! The calls of services that one particle has made: those that wait, and the results to come.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use air_core::{CallRequest, CallResult};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};

use super::actor::Environment;
use super::report::Budget;
use crate::executor::yield_now;
use crate::limits::{
    LIGHT_CALL_BYTES, MAX_CALLS_IN_A_ROW, MAX_CALLS_WAITING, MAX_RESULT_BYTES_IN_A_ROW,
};
use crate::service::{Caller, Started, weigh};

type Call = LocalBoxFuture<'static, (u32, CallResult)>;

/// The calls of one particle.
pub(super) struct Calls {
    caller: Caller,
    waiting: FuturesUnordered<Call>,
    results: Vec<(u32, CallResult)>,
    /// Bytes of all results so far.
    bytes: usize,
    /// Bytes that all results may have.
    most_bytes: usize,
}

/// What came of looking at the calls that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// All results that are there.
    All,
    /// As many as may be taken in a row.
    Some,
}

impl Calls {
    pub(super) fn new(caller: Caller, most_bytes: usize) -> Self {
        let (waiting, results) = (FuturesUnordered::new(), Vec::new());
        Self { caller, waiting, results, bytes: 0, most_bytes }
    }

    /// How many wait for an answer.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there are results that no step has had yet.
    pub(super) fn has_results(&self) -> bool {
        !self.results.is_empty()
    }

    /// The results for the next step.
    pub(super) fn take_results(&mut self) -> Vec<(u32, CallResult)> {
        core::mem::take(&mut self.results)
    }

    /// Starts every call. Those that can be answered at once are; the others wait side by side.
    pub(super) async fn start<E: Environment>(
        &mut self,
        environment: &Rc<E>,
        requests: Vec<CallRequest>,
    ) -> Result<(), Budget> {
        for (index, request) in requests.into_iter().enumerate() {
            let heavy = weigh(&request.arguments, LIGHT_CALL_BYTES) >= LIGHT_CALL_BYTES;
            if heavy || index % MAX_CALLS_IN_A_ROW == MAX_CALLS_IN_A_ROW - 1 {
                yield_now().await;
            }
            if environment.memory_is_short() {
                return Err(Budget::Memory);
            }
            let started = environment.services().start(&self.caller, &request);
            let CallRequest { id, service_id, .. } = request;
            match started {
                Started::Done(result) => {
                    environment.called(&service_id, result.ret_code);
                    self.collect(id, result)?;
                }
                Started::Waiting(_) if self.waiting.len() >= MAX_CALLS_WAITING => {
                    let result = CallResult::failure(1, "too many calls of this particle wait");
                    environment.called(&service_id, result.ret_code);
                    self.collect(id, result)?;
                }
                Started::Waiting(answer) => {
                    let environment = environment.clone();
                    self.waiting.push(Box::pin(async move {
                        let result = answer.await;
                        environment.called(&service_id, result.ret_code);
                        (id, result)
                    }));
                }
            }
        }
        Ok(())
    }

    fn collect(&mut self, id: u32, result: CallResult) -> Result<(), Budget> {
        self.bytes = self.bytes.saturating_add(result.result.len());
        self.results.push((id, result));
        let most = self.most_bytes;
        if self.bytes > most { Err(Budget::Results(most)) } else { Ok(()) }
    }

    /// Takes the results that are there; the task of `context` is woken when there are more.
    pub(super) fn poll_results(&mut self, context: &mut Context<'_>) -> Result<Taken, Budget> {
        let mut bytes: usize = 0;
        while let Poll::Ready(Some((id, result))) = Pin::new(&mut self.waiting).poll_next(context) {
            bytes = bytes.saturating_add(result.result.len());
            self.collect(id, result)?;
            if bytes >= MAX_RESULT_BYTES_IN_A_ROW {
                return Ok(Taken::Some);
            }
        }
        Ok(Taken::All)
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("waiting", &self.waiting.len())
            .field("results", &self.results.len())
            .finish_non_exhaustive()
    }
}
