//! The iterations of a stream fold: where each finds its states, and where they went (air-data §7.7).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::data::{CallState, FoldLore, State, SubTrace, SubTraces, ValueRef};

use super::slider::{Slider, Window};
use super::{Merge, MergeError, Side, origin};

/// The lores of previous and of current data.
pub(super) type Lores = (Option<Vec<FoldLore>>, Option<Vec<FoldLore>>);

/// A running stream fold, by how many run around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoldId(usize);

/// A stream fold that is being executed.
#[derive(Debug)]
pub(super) struct FoldMerge {
    /// Position of the fold's own state in the result.
    at: u32,
    previous: Lore,
    current: Lore,
    result: Vec<FoldLore>,
    /// The iterations of the running generation.
    queue: Vec<Iteration>,
    /// How many of them have not returned from their `next`.
    back: usize,
    /// Whether the innermost iteration of the generation has returned.
    returning: bool,
}

/// What one data says of a fold.
#[derive(Debug, Default)]
struct Lore {
    windows: BTreeMap<u32, Subtraces>,
    /// What comes behind the fold.
    after: Window,
}

/// The windows before and after `next`.
#[derive(Debug, Clone, Copy)]
struct Subtraces {
    before: Window,
    after: Window,
}

#[derive(Debug)]
struct Iteration {
    value_pos: u32,
    previous: Option<Subtraces>,
    current: Option<Subtraces>,
    /// Begin and end before `next`, begin and end after it, in the result.
    marks: [u32; 4],
    /// How many of `marks` are set, without the first.
    phase: usize,
}

impl Iteration {
    /// Sets the next mark; those behind the last are not there.
    fn mark(&mut self, position: u32) {
        if let Some(mark) = self.marks.get_mut(self.phase + 1) {
            *mark = position;
            self.phase += 1;
        }
    }
}

impl Merge {
    /// The fold begins.
    pub(crate) fn start_fold(&mut self) -> Result<FoldId, MergeError> {
        let (previous, current) = self.take_fold()?;
        let previous = Lore::resolve(previous.as_deref(), &self.previous, Side::Previous)?;
        let current = Lore::resolve(current.as_deref(), &self.current, Side::Current)?;
        let at = self.position();
        self.push(State::Fold(Vec::new()));
        self.folds.push(FoldMerge {
            at,
            previous,
            current,
            result: Vec::new(),
            queue: Vec::new(),
            back: 0,
            returning: false,
        });
        Ok(FoldId(self.folds.len() - 1))
    }

    /// An iteration begins, over the value that the state at `value_pos` of the result put there.
    pub(crate) fn start_iteration(&mut self, id: FoldId, value_pos: u32) -> Result<(), MergeError> {
        let begin = self.position();
        let previous = self.origin_in_previous(value_pos);
        let current = origin(&self.from_current, value_pos);
        let Some(fold) = self.folds.get_mut(id.0) else { return Ok(()) };
        let previous = previous.and_then(|position| fold.previous.windows.remove(&position));
        let current = current.and_then(|position| fold.current.windows.remove(&position));
        enter(&mut self.previous, previous.map(|subtraces| subtraces.before))?;
        enter(&mut self.current, current.map(|subtraces| subtraces.before))?;
        let marks = [begin, 0, 0, 0];
        fold.queue.push(Iteration { value_pos, previous, current, marks, phase: 0 });
        fold.back += 1;
        Ok(())
    }

    /// Whether data hold states of an iteration, not begun yet, over the value that the state at
    /// `value_pos` of the result put there.
    pub(crate) fn has_lore(&self, id: FoldId, value_pos: u32) -> bool {
        let Some(fold) = self.folds.get(id.0) else { return false };
        let holds = |lore: &Lore, position: Option<u32>| {
            position.is_some_and(|position| lore.windows.contains_key(&position))
        };
        holds(&fold.previous, self.origin_in_previous(value_pos))
            || holds(&fold.current, origin(&self.from_current, value_pos))
    }

    /// `next` was reached.
    pub(crate) fn end_iteration(&mut self, id: FoldId) {
        let position = self.position();
        if let Some(fold) = self.folds.get_mut(id.0)
            && let Some(iteration) = fold.innermost()
        {
            iteration.mark(position);
        }
    }

    /// `next` returns: there is no further value, or the iteration that it started is over.
    pub(crate) fn return_from_next(&mut self, id: FoldId) -> Result<(), MergeError> {
        let position = self.position();
        let Some(fold) = self.folds.get_mut(id.0) else { return Ok(()) };
        let first = !fold.returning;
        fold.returning = true;
        if let Some(iteration) = fold.innermost()
            && (!first || iteration.phase == 0)
        {
            iteration.mark(position);
        }
        if !first {
            fold.back = fold.back.saturating_sub(1);
        }
        let Some(iteration) = fold.innermost() else { return Ok(()) };
        iteration.mark(position);
        let (previous, current) = (iteration.previous, iteration.current);
        enter(&mut self.previous, previous.map(|subtraces| subtraces.after))?;
        enter(&mut self.current, current.map(|subtraces| subtraces.after))
    }

    /// A generation is over, or was left by an error.
    pub(crate) fn end_generation(&mut self, id: FoldId) {
        let position = self.position();
        let Some(fold) = self.folds.get_mut(id.0) else { return };
        for mut iteration in fold.queue.drain(..) {
            while iteration.phase < 3 {
                iteration.mark(position);
            }
            let [before, before_end, after, after_end] = iteration.marks;
            fold.result.push(FoldLore::new(
                iteration.value_pos,
                SubTrace { begin: before, len: before_end.saturating_sub(before) },
                SubTrace { begin: after, len: after_end.saturating_sub(after) },
            ));
        }
        fold.back = 0;
        fold.returning = false;
    }

    /// The fold is over.
    pub(crate) fn end_fold(&mut self, id: FoldId) {
        self.folds.truncate(id.0 + 1);
        let Some(fold) = self.folds.pop() else { return };
        if let Some(state) = self.out.get_mut(fold.at as usize) {
            *state = State::Fold(fold.result);
        }
        self.previous.move_to(fold.previous.after);
        self.current.move_to(fold.current.after);
    }
}

impl FoldMerge {
    fn innermost(&mut self) -> Option<&mut Iteration> {
        self.queue.get_mut(self.back.checked_sub(1)?)
    }
}

fn enter(slider: &mut Slider, window: Option<Window>) -> Result<(), MergeError> {
    match window {
        Some(window) => slider.set_window(window),
        None => slider.set_len(0),
    }
}

impl Lore {
    /// Turns what data say into windows: each reaches to the end of its generation, for the right size
    /// of a par covers the `next` inside it.
    fn resolve(lore: Option<&[FoldLore]>, slider: &Slider, side: Side) -> Result<Self, MergeError> {
        let lore = lore.unwrap_or_default();
        let mut total = 0_u32;
        let mut entries = Vec::with_capacity(lore.len());
        for (index, entry) in lore.iter().enumerate() {
            let (before, after) = match &entry.subtraces {
                SubTraces::Pair(before, after) => (*before, *after),
                SubTraces::Other(subtraces) => {
                    return Err(MergeError::Descriptors(subtraces.len()));
                }
            };
            let generation = generation_of(slider.state(entry.value_pos)?)?;
            total = before
                .len
                .checked_add(after.len)
                .and_then(|len| total.checked_add(len))
                .ok_or_else(|| MergeError::LoreOverflow { entry: index, lore: lore.to_vec() })?;
            entries.push((generation, entry.value_pos, before, after));
        }
        let mut windows = BTreeMap::new();
        for group in entries.chunk_by(|a, b| a.0 == b.0) {
            // `total` did not overflow, so no sum of a part does.
            let mut before_len: u32 = group.iter().map(|(_, _, b, a)| b.len + a.len).sum();
            let mut after_len = 0;
            for &(_, value_pos, before, after) in group {
                after_len += after.len;
                let subtraces = Subtraces {
                    before: Window { pos: before.begin, len: before_len },
                    after: Window { pos: after.begin, len: after_len },
                };
                if windows.insert(value_pos, subtraces).is_some() {
                    return Err(MergeError::SameValue { pos: value_pos, lore: lore.to_vec() });
                }
                before_len -= before.len;
            }
        }
        let beyond = || MergeError::fold_beyond(side, lore);
        let len = slider.rest().checked_sub(total).ok_or_else(beyond)?;
        let pos = slider.position().checked_add(total).ok_or_else(beyond)?;
        Ok(Self { windows, after: Window { pos, len } })
    }
}

/// The generation of a state that puts a value into a stream.
fn generation_of(state: &State) -> Result<u32, MergeError> {
    match state {
        State::Call(CallState::Executed(ValueRef::Stream { generation, .. })) => Ok(*generation),
        State::Ap(generations) => {
            generations.single().ok_or_else(|| MergeError::ApGenerations(generations.clone()))
        }
        _ => Err(MergeError::not_of_stream(state)),
    }
}
