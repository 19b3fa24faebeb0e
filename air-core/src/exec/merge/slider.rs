//! A reader of one trace that looks at a window of it (air-data §7.2).

use alloc::vec::Vec;

use crate::data::State;

use super::MergeError;

/// Walks over the trace of previous or of current data.
#[derive(Debug, Default)]
pub(crate) struct Slider {
    trace: Vec<State>,
    /// Position of the next state.
    pos: u32,
    /// States in the window.
    len: u32,
    /// States of the window that were taken.
    seen: u32,
}

/// A place in a trace and a number of states from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) pos: u32,
    pub(crate) len: u32,
}

impl Slider {
    /// A slider whose window is the whole trace. States beyond 2³² − 1 are not seen.
    pub(crate) fn new(trace: Vec<State>) -> Self {
        let len = u32::try_from(trace.len()).unwrap_or(u32::MAX);
        Self { trace, pos: 0, len, seen: 0 }
    }

    pub(crate) fn trace(&self) -> &[State] {
        &self.trace
    }

    pub(crate) fn into_trace(self) -> Vec<State> {
        self.trace
    }

    /// Takes the next state of the window.
    pub(crate) fn next(&mut self) -> Option<&State> {
        if self.seen >= self.len {
            return None;
        }
        let state = self.trace.get(self.pos as usize)?;
        self.pos += 1;
        self.seen += 1;
        Some(state)
    }

    /// Position of the next state.
    pub(crate) fn position(&self) -> u32 {
        self.pos
    }

    /// States of the window that were not taken.
    pub(crate) fn rest(&self) -> u32 {
        self.len.saturating_sub(self.seen)
    }

    pub(crate) fn state(&self, pos: u32) -> Result<&State, MergeError> {
        self.trace.get(pos as usize).ok_or(MergeError::NoElement { pos, len: self.trace_len() })
    }

    /// Moves to a window. An empty one may lie anywhere.
    pub(crate) fn set_window(&mut self, window: Window) -> Result<(), MergeError> {
        let Window { pos, len } = window;
        let fits = pos.checked_add(len).is_some_and(|end| end <= self.trace_len());
        if len != 0 && !fits {
            return Err(MergeError::WindowOutside { trace_len: self.trace_len(), window });
        }
        self.move_to(window);
        Ok(())
    }

    /// Keeps the place and makes the window so long.
    pub(crate) fn set_len(&mut self, len: u32) -> Result<(), MergeError> {
        let trace_len = self.trace_len();
        if trace_len.saturating_sub(self.pos) < len {
            return Err(MergeError::LenOutside { trace_len, pos: self.pos, len });
        }
        self.len = len;
        self.seen = 0;
        Ok(())
    }

    /// Moves to a window that was found to lie inside an earlier one.
    pub(crate) fn move_to(&mut self, window: Window) {
        self.pos = window.pos;
        self.len = window.len;
        self.seen = 0;
    }

    fn trace_len(&self) -> u32 {
        u32::try_from(self.trace.len()).unwrap_or(u32::MAX)
    }
}
