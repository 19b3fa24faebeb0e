//! How deep each state of a trace stands, and the names of the parts that `par` and `fold` make.

use std::collections::BTreeMap;

use air_core::data::{State, SubTrace, SubTraces};

/// Deeper states are not indented further.
const MAX_DEPTH: usize = 32;

/// The structure of a trace.
#[derive(Debug)]
pub(super) struct Outline {
    depths: Vec<usize>,
    titles: BTreeMap<usize, Vec<String>>,
}

impl Outline {
    /// Parts that reach beyond the trace end with it.
    pub(super) fn of(trace: &[State]) -> Self {
        let mut outline = Self { depths: Vec::new(), titles: BTreeMap::new() };
        // How the depth changes at each state.
        let mut changes = vec![0_i64; trace.len() + 1];
        for (at, state) in trace.iter().enumerate() {
            match state {
                State::Par { left, right } => {
                    let left = SubTrace { begin: position(at + 1), len: *left };
                    let right =
                        SubTrace { begin: left.begin.saturating_add(left.len), len: *right };
                    outline.part(&mut changes, left, || "left".to_owned());
                    outline.part(&mut changes, right, || "right".to_owned());
                }
                State::Fold(entries) => {
                    for entry in entries {
                        let value = entry.value_pos;
                        if let SubTraces::Pair(before, after) = entry.subtraces {
                            let title = || format!("for the value of state {value}");
                            outline.part(&mut changes, before, title);
                            let title = || format!("after next of state {value}");
                            outline.part(&mut changes, after, title);
                        }
                    }
                }
                _ => {}
            }
        }
        let mut depth = 0;
        let depths = changes.iter().take(trace.len()).map(|change| {
            depth += change;
            usize::try_from(depth).unwrap_or(0).min(MAX_DEPTH)
        });
        outline.depths = depths.collect();
        outline
    }

    fn part(&mut self, changes: &mut [i64], part: SubTrace, title: impl FnOnce() -> String) {
        let last = changes.len() - 1;
        let clamped = |position: u32| usize::try_from(position).unwrap_or(last).min(last);
        let (begin, end) = (clamped(part.begin), clamped(part.begin.saturating_add(part.len)));
        if begin < end {
            changes[begin] += 1;
            changes[end] -= 1;
            self.titles.entry(begin).or_default().push(title());
        }
    }

    /// How many parts the state is in.
    pub(super) fn depth(&self, state: usize) -> usize {
        self.depths.get(state).copied().unwrap_or(0)
    }

    /// The parts that begin with the state, the outermost first, with their depths.
    pub(super) fn titles(&self, state: usize) -> impl Iterator<Item = (usize, &str)> {
        let titles = self.titles.get(&state).map_or(&[][..], Vec::as_slice);
        let outermost = self.depth(state).saturating_sub(titles.len());
        titles.iter().enumerate().map(move |(inner, title)| (outermost + inner, title.as_str()))
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use air_core::data::{FoldLore, Generations};

    use super::*;

    fn leaf() -> State {
        State::Ap(Generations::One(0))
    }

    #[test]
    fn branches_of_par_stand_inside() {
        let par = |left, right| State::Par { left, right };
        let trace = [par(3, 1), par(1, 1), leaf(), leaf(), leaf(), leaf()];
        let outline = Outline::of(&trace);
        let depths: Vec<usize> = (0..6).map(|state| outline.depth(state)).collect();
        assert_eq!(depths, [0, 1, 2, 2, 1, 0]);
        assert_eq!(outline.titles(1).collect::<Vec<_>>(), [(0, "left")]);
        assert_eq!(outline.titles(2).collect::<Vec<_>>(), [(1, "left")]);
        assert_eq!(outline.titles(4).collect::<Vec<_>>(), [(0, "right")]);
        assert_eq!(outline.titles(5).count(), 0);
    }

    #[test]
    fn parts_beyond_the_trace_end_with_it() {
        let part = |begin, len| SubTrace { begin, len };
        let fold = State::Fold(vec![FoldLore::new(0, part(1, u32::MAX), part(u32::MAX, 1))]);
        let trace = [fold, State::Par { left: u32::MAX, right: u32::MAX }, leaf()];
        let outline = Outline::of(&trace);
        assert_eq!([outline.depth(0), outline.depth(1), outline.depth(2)], [0, 1, 2]);
    }

    #[test]
    fn indentation_has_an_end() {
        let trace = vec![State::Par { left: u32::MAX, right: 0 }; 100];
        assert_eq!(Outline::of(&trace).depth(99), MAX_DEPTH);
    }
}
