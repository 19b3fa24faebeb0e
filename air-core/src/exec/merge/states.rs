//! Taking and merging the states of call, ap and canon (air-data §7.3–§7.5).

use alloc::boxed::Box;
use alloc::format;

use crate::data::{CallState, CanonState, Generations, State, ValueRef};

use super::describe::debug_text;
use super::{Merge, MergeError, Side};
use crate::exec::stream::Source;

/// What previous and current data say of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MergedCall {
    pub(crate) state: CallState,
    /// The data that it is from.
    pub(crate) side: Side,
}

impl Merge {
    /// Takes the next state of each side; both must be of the kind that `select` picks.
    fn take<T>(
        &mut self,
        expected: &'static str,
        select: impl Fn(&State) -> Option<T>,
    ) -> Result<(Option<T>, Option<T>), MergeError> {
        self.taken = self.taken.saturating_add(1);
        let previous = self.previous.next();
        let current = self.current.next();
        let (a, b) = (previous.map(&select), current.map(&select));
        match (a, b) {
            (Some(None), _) | (_, Some(None)) => Err(match (previous, current) {
                (Some(previous), Some(current)) => {
                    MergeError::Incompatible(Box::new((previous.clone(), current.clone())))
                }
                (Some(state), None) => MergeError::WrongKind {
                    side: Side::Previous,
                    state: Box::new(state.clone()),
                    expected,
                },
                (None, Some(state)) => MergeError::WrongKind {
                    side: Side::Current,
                    state: Box::new(state.clone()),
                    expected,
                },
                (None, None) => MergeError::Descriptors(0),
            }),
            (a, b) => Ok((a.flatten(), b.flatten())),
        }
    }

    /// Takes the states of a par.
    pub(super) fn take_par(&mut self) -> Result<[(u32, u32); 2], MergeError> {
        let (previous, current) = self.take("par", |state| match *state {
            State::Par { left, right } => Some((left, right)),
            _ => None,
        })?;
        Ok([previous.unwrap_or_default(), current.unwrap_or_default()])
    }

    /// Takes the states of a stream fold.
    pub(super) fn take_fold(&mut self) -> Result<super::fold::Lores, MergeError> {
        self.take("fold", |state| match state {
            State::Fold(lore) => Some(lore.clone()),
            _ => None,
        })
    }

    /// Takes and merges the states of a call.
    pub(crate) fn take_call(&mut self) -> Result<Option<MergedCall>, MergeError> {
        let (previous, current) = self.take("call", |state| match state {
            State::Call(call) => Some(call.clone()),
            _ => None,
        })?;
        let merged = match (previous, current) {
            (None, None) => return Ok(None),
            (Some(state), None) => MergedCall { state, side: Side::Previous },
            (None, Some(state)) => MergedCall { state, side: Side::Current },
            (Some(previous), Some(current)) => {
                return self.merge_calls(previous, current).map(Some);
            }
        };
        self.remember(merged.side == Side::Previous, merged.side == Side::Current);
        Ok(Some(merged))
    }

    fn merge_calls(
        &mut self,
        previous: CallState,
        current: CallState,
    ) -> Result<MergedCall, MergeError> {
        use CallState::{Executed, Failed, RequestSentBy};
        let side = match (&previous, &current) {
            (RequestSentBy(_), Executed(_) | Failed(_)) => Side::Current,
            (_, RequestSentBy(_)) => Side::Previous,
            (Executed(a), Executed(b)) if same_result(a, b) => {
                self.remember(true, true);
                return Ok(MergedCall { state: previous, side: Side::Previous });
            }
            (Executed(a), Executed(b)) => {
                return Err(MergeError::ResultsDiffer(Box::new((a.clone(), b.clone()))));
            }
            (Failed(a), Failed(b)) if a == b => Side::Previous,
            _ => return Err(MergeError::CallsDiffer(Box::new((previous, current)))),
        };
        self.remember(side == Side::Previous, side == Side::Current);
        let state = if side == Side::Previous { previous } else { current };
        Ok(MergedCall { state, side })
    }

    /// Takes and merges the states of an ap into a stream: where the value goes in the stream.
    pub(crate) fn take_ap(&mut self) -> Result<Source, MergeError> {
        let (previous, current) = self.take("ap", |state| match state {
            State::Ap(generations) => Some(generations.clone()),
            _ => None,
        })?;
        self.remember(previous.is_some(), current.is_some());
        let generation = |generations: Generations| {
            generations.single().ok_or(MergeError::ApGenerations(generations))
        };
        match (previous, current) {
            (Some(generations), _) => generation(generations).map(Source::Previous),
            (None, Some(generations)) => generation(generations).map(Source::Current),
            (None, None) => Ok(Source::New),
        }
    }

    /// Takes and merges the states of a canon.
    pub(crate) fn take_canon(&mut self) -> Result<Option<CanonState>, MergeError> {
        use CanonState::{Executed, RequestSentBy};
        let (previous, current) = self.take("canon", |state| match state {
            State::Canon(canon) => Some(canon.clone()),
            _ => None,
        })?;
        Ok(match (previous, current) {
            (None, state) | (state, None) => state,
            (Some(RequestSentBy(_)), Some(current @ Executed(_))) => Some(current),
            (previous, Some(RequestSentBy(_))) => previous,
            (Some(Executed(a)), Some(Executed(b))) if a != b => {
                let (a, b) = (Executed(a), Executed(b));
                let both = format!("{} {}", debug_text(&a), debug_text(&b));
                return Err(MergeError::CanonsDiffer(both));
            }
            (previous, Some(_)) => previous,
        })
    }
}

/// Whether two results are the same; generations may differ.
fn same_result(a: &ValueRef, b: &ValueRef) -> bool {
    match (a, b) {
        (ValueRef::Stream { cid: a, .. }, ValueRef::Stream { cid: b, .. }) => a == b,
        _ => a == b,
    }
}
