//! Merging the traces of previous and current data into the result trace (air-data §7).
//!
//! An execution walks the script from the beginning; each instruction that owns a state takes the next
//! state of both data, and what comes of the two is appended to the result. States that no
//! instruction takes are dropped.

pub(crate) mod describe;
mod error;
mod fold;
mod par;
mod slider;
mod states;

use alloc::vec::Vec;
use core::fmt;

use crate::data::{CallState, Sender, State};
use crate::exec::frame::Frame;

pub(crate) use error::MergeError;
pub(crate) use fold::FoldId;
pub(crate) use par::ParMerge;
pub(crate) use states::MergedCall;

use fold::FoldMerge;
use slider::{Slider, Window};

/// Which data something is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What this peer had.
    Previous,
    /// What came with the particle.
    Current,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Previous => "previous",
            Self::Current => "current",
        })
    }
}

/// The two traces being read and the one being written.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    previous: Slider,
    current: Slider,
    out: Vec<State>,
    /// Positions in the result and where that state was in previous data; ascending.
    from_previous: Vec<(u32, u32)>,
    /// The same for current data.
    from_current: Vec<(u32, u32)>,
    /// The running stream folds, the innermost last.
    folds: Vec<FoldMerge>,
    /// How often states were taken, found or not.
    taken: u32,
    /// Up to this position all states of the result are those of previous data.
    same_until: u32,
}

impl Merge {
    pub(crate) fn new(previous: Vec<State>, current: Vec<State>) -> Self {
        let out = Vec::with_capacity(previous.len());
        Self {
            previous: Slider::new(previous),
            current: Slider::new(current),
            out,
            ..Self::default()
        }
    }

    /// Whether each instruction so far has left exactly one state for each that it took.
    pub(crate) fn is_even(&self) -> bool {
        self.taken == self.position()
    }

    /// Whether a fold over a stream runs.
    pub(crate) fn is_in_fold(&self) -> bool {
        !self.folds.is_empty()
    }

    /// Goes on at a position up to which the result is the same as previous data; `frames` are open.
    pub(crate) fn resume(&mut self, frames: &[Frame], position: u32) {
        let end = self.previous.trace().len();
        let end = frames.iter().rev().find_map(Frame::window_end).unwrap_or(end);
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        let same = self.previous.trace().get(..position as usize).unwrap_or_default();
        self.out.extend_from_slice(same);
        let len = end.saturating_sub(position);
        self.previous.move_to(Window { pos: position, len });
        self.taken = position;
        self.same_until = position;
    }

    /// The previous trace as it was given, and the result.
    pub(crate) fn into_traces(self) -> (Vec<State>, Vec<State>) {
        (self.previous.into_trace(), self.out)
    }

    /// The highest number of a request that both data say `peer` has handed to its host.
    pub(crate) fn highest_request_id(&self, peer: &str) -> u32 {
        let states = self.previous.trace().iter().chain(self.current.trace());
        let ids = states.filter_map(|state| match state {
            State::Call(CallState::RequestSentBy(Sender { peer_id, call_id: Some(id) }))
                if **peer_id == *peer =>
            {
                Some(*id)
            }
            _ => None,
        });
        ids.max().unwrap_or(0)
    }

    /// The position that the next state of the result will have.
    ///
    /// The caller of [`push`](Self::push) bounds the length far below 2³².
    pub(crate) fn position(&self) -> u32 {
        u32::try_from(self.out.len()).unwrap_or(u32::MAX)
    }

    /// Appends a state to the result.
    pub(crate) fn push(&mut self, state: State) {
        self.out.push(state);
    }

    /// The position in previous data of the state at `position` of the result.
    fn origin_in_previous(&self, position: u32) -> Option<u32> {
        match position < self.same_until {
            true => Some(position),
            false => origin(&self.from_previous, position),
        }
    }

    /// A state of the result, to patch it.
    pub(crate) fn state_mut(&mut self, position: u32) -> Option<&mut State> {
        self.out.get_mut(position as usize)
    }

    /// The state about to be written is the one that was taken last from these sides.
    fn remember(&mut self, previous: bool, current: bool) {
        let position = self.position();
        if previous {
            self.from_previous.push((position, self.previous.position().saturating_sub(1)));
        }
        if current {
            self.from_current.push((position, self.current.position().saturating_sub(1)));
        }
    }
}

/// The position in the source of the state at `position` of the result.
fn origin(origins: &[(u32, u32)], position: u32) -> Option<u32> {
    let index = origins.binary_search_by_key(&position, |&(result, _)| result).ok()?;
    origins.get(index).map(|&(_, source)| source)
}
