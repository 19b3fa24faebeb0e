//! The windows of a par's two subgraphs (air-data §7.6).

use crate::data::State;
use crate::exec::frame::Frame;

use super::slider::{Slider, Window};
use super::{Merge, MergeError, Side};

/// A par that is being executed.
#[derive(Debug, Clone)]
pub(crate) struct ParMerge {
    /// Position of the par's own state in the result.
    at: u32,
    /// Position where the running subgraph began in the result.
    start: u32,
    left_len: u32,
    previous: Sides,
    current: Sides,
}

/// Where the subgraphs of one data end.
#[derive(Debug, Clone, Copy, Default)]
struct Sides {
    right: Window,
    after: Window,
}

impl ParMerge {
    /// Position of the par's own state in the result.
    pub(crate) fn position(&self) -> usize {
        self.at as usize
    }

    /// Where the window of previous data that the running subgraph reads ends.
    pub(crate) fn window_end(&self, is_right: bool) -> usize {
        let right = self.previous.right;
        (if is_right { right.pos.saturating_add(right.len) } else { right.pos }) as usize
    }

    /// Takes the windows of an open par from the trace, for a run that gets no current data and whose
    /// result is that trace so far; the par's state lies before `position` in a window that ends at
    /// `end`. Where the running subgraph's window ends; nothing if the trace does not fit.
    fn fit(&mut self, trace: &[State], is_right: bool, position: u32, end: u32) -> Option<u32> {
        let State::Par { left, right } = *trace.get(self.position())? else { return None };
        let right_pos = self.at.checked_add(1)?.checked_add(left)?;
        let after_pos = right_pos.checked_add(right)?;
        let after = Window { pos: after_pos, len: end.checked_sub(after_pos)? };
        self.previous = Sides { right: Window { pos: right_pos, len: right }, after };
        self.current = Sides::default();
        let (begin, end) = if is_right { (right_pos, after_pos) } else { (self.at + 1, right_pos) };
        (begin <= position && position <= end).then_some(end)
    }
}

impl Merge {
    /// Makes the windows of open pars those of a run over `trace` that has come to `position`.
    pub(crate) fn fit(frames: &mut [Frame], trace: &[State], position: u32) -> Option<()> {
        let mut end = u32::try_from(trace.len()).ok().filter(|&end| position <= end)?;
        for frame in frames {
            end = match frame {
                Frame::ParLeft { par, .. } => par.fit(trace, false, position, end)?,
                Frame::ParRight { par, .. } => par.fit(trace, true, position, end)?,
                _ => end,
            };
        }
        Some(())
    }

    /// The par begins, its left subgraph is next.
    pub(crate) fn start_par(&mut self) -> Result<ParMerge, MergeError> {
        let [previous, current] = self.take_par()?;
        let at = self.position();
        let previous = Sides::enter(&mut self.previous, previous, Side::Previous)?;
        let current = Sides::enter(&mut self.current, current, Side::Current)?;
        self.push(State::Par { left: 0, right: 0 });
        Ok(ParMerge { at, start: self.position(), left_len: 0, previous, current })
    }

    /// The left subgraph has ended, the right one is next.
    ///
    /// The place is set whatever the left subgraph took; the reference leaves it where dishonest sizes
    /// do not fit (air-data §11, D7).
    pub(crate) fn start_right(&mut self, par: &mut ParMerge) {
        par.left_len = self.position() - par.start;
        par.start = self.position();
        self.previous.move_to(par.previous.right);
        self.current.move_to(par.current.right);
    }

    /// The right subgraph has ended.
    pub(crate) fn end_par(&mut self, par: &ParMerge) {
        let sizes = State::Par { left: par.left_len, right: self.position() - par.start };
        if let Some(state) = self.state_mut(par.at) {
            *state = sizes;
        }
        self.previous.move_to(par.previous.after);
        self.current.move_to(par.current.after);
    }
}

impl Sides {
    fn enter(
        slider: &mut Slider,
        (left, right): (u32, u32),
        side: Side,
    ) -> Result<Self, MergeError> {
        let both = left.checked_add(right).ok_or(MergeError::ParLen { left, right })?;
        let beyond = || MergeError::Beyond {
            side,
            what: alloc::format!("par ParResult {{ left_size: {left}, right_size: {right} }}"),
        };
        let rest = slider.rest().checked_sub(both).ok_or_else(beyond)?;
        let left_end = slider.position().checked_add(left).ok_or_else(beyond)?;
        let right_end = left_end.checked_add(right).ok_or_else(beyond)?;
        slider.set_len(left)?;
        Ok(Self {
            right: Window { pos: left_end, len: right },
            after: Window { pos: right_end, len: rest },
        })
    }
}
