//! Streams and stream maps: values in generations (air-language §4.4, air-data §7.8).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::data::{CallState, State, ValueRef};

use super::datum::Datum;
use super::failure::Failure;
use super::limits::STREAM_SIZE_LIMIT;
use super::streams::Instances;

/// Where a value of a stream was known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// This peer's previous data, with the generation there.
    Previous(u32),
    /// The data that came with the particle, with the generation there.
    Current(u32),
    /// This run.
    New,
}

/// The values of a stream, in three lists of generations.
///
/// Generations known from data are kept by their number, which is any `u32`; the numbers between need
/// no memory. Those of this run are in the order in which they were opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    previous: BTreeMap<u32, Vec<Datum>>,
    current: BTreeMap<u32, Vec<Datum>>,
    new: Vec<Vec<Datum>>,
    /// Whether the first of `new` was made by a value: no fold has opened it.
    is_first_implicit: bool,
    len: usize,
}

impl Stream {
    /// Adds a value; a fresh one goes to the last open generation.
    pub(crate) fn add(&mut self, datum: Datum, source: Source) -> Result<(), Failure> {
        match source {
            Source::Previous(generation) => {
                self.previous.entry(generation).or_default().push(datum);
            }
            Source::Current(generation) => {
                self.current.entry(generation).or_default().push(datum);
            }
            Source::New => match self.new.last_mut() {
                Some(generation) => generation.push(datum),
                None => {
                    self.new.push(alloc::vec![datum]);
                    self.is_first_implicit = true;
                }
            },
        }
        self.len += 1;
        if self.len >= STREAM_SIZE_LIMIT { Err(Failure::stream_size_limit()) } else { Ok(()) }
    }

    /// All values in reading order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Datum> {
        self.generations().flatten()
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The generations in reading order; some may be empty.
    pub(crate) fn generations(&self) -> impl Iterator<Item = &Vec<Datum>> {
        self.previous.values().chain(self.current.values()).chain(&self.new)
    }

    /// How long the lists of generations are, those without values included.
    fn lengths(&self) -> [u64; 3] {
        let known = |generations: &BTreeMap<u32, Vec<Datum>>| {
            generations.last_key_value().map_or(0, |(&last, _)| u64::from(last) + 1)
        };
        let new = u64::try_from(self.new.len()).unwrap_or(u64::MAX);
        [known(&self.previous), known(&self.current), new]
    }

    /// Makes all streams those that a run over `trace` has at the same place: see [`Stream::settle`].
    pub(super) fn settle_all(streams: &mut Arc<Instances>, trace: &[State], repeated: u32) -> bool {
        let needs = |stream: &Arc<Self>| !stream.is_settled(trace, repeated);
        if !streams.iter().flatten().any(needs) {
            return true;
        }
        let mut streams = Arc::make_mut(streams).iter_mut().flatten();
        streams.all(|stream| {
            stream.is_settled(trace, repeated) || Arc::make_mut(stream).settle(trace, repeated)
        })
    }

    /// Whether nothing was put into the stream from the position `repeated` on but by previous data that
    /// agree with `trace`.
    fn is_settled(&self, trace: &[State], repeated: u32) -> bool {
        let is_old = |datum: &Datum| datum.position < repeated;
        self.current.is_empty()
            && self.new.iter().flatten().all(is_old)
            && !self.is_first_implicit
            && self.previous.iter().all(|(&number, values)| {
                let stays = |datum: &Datum| {
                    is_old(datum) || generation_at(trace, datum.position) == Some(number)
                };
                values.iter().all(stays)
            })
    }

    /// Moves the values that were put into the stream from the position `repeated` on to where a run over
    /// `trace` finds them: all of them in previous data, each in its generation of the trace. Whether the
    /// trace has one for each.
    fn settle(&mut self, trace: &[State], repeated: u32) -> bool {
        let mut moved = Vec::new();
        let mut take = |values: &mut Vec<Datum>| {
            moved.extend(values.extract_if(.., |datum| datum.position >= repeated));
        };
        self.previous.values_mut().for_each(&mut take);
        self.current.values_mut().for_each(&mut take);
        self.new.iter_mut().for_each(&mut take);
        self.previous.retain(|_, values| !values.is_empty());
        self.current.retain(|_, values| !values.is_empty());
        if core::mem::take(&mut self.is_first_implicit) {
            self.new.remove(0);
        }
        // A run adds them in the order of their states.
        moved.sort_by_key(|datum| datum.position);
        for datum in moved {
            let Some(number) = generation_at(trace, datum.position) else { return false };
            self.previous.entry(number).or_default().push(datum);
        }
        true
    }

    fn drop_empty_generation(&mut self) {
        if self.new.last().is_some_and(Vec::is_empty) {
            self.new.pop();
        }
    }

    /// From now on fresh values go to a generation of their own.
    fn open_generation(&mut self) {
        self.new.push(Vec::new());
    }
}

/// The generation of the value that the state at a position put into a stream.
fn generation_at(trace: &[State], position: u32) -> Option<u32> {
    match trace.get(position as usize)? {
        State::Ap(generations) => generations.single(),
        State::Call(CallState::Executed(ValueRef::Stream { generation, .. })) => Some(*generation),
        _ => None,
    }
}

/// What a fold has visited of the stream that it iterates.
///
/// The reference remembers how long each list of generations was, the empty ones counted, and then
/// skips so many non-empty ones (air-language §6.8). So a value that a later wave puts into a generation
/// before the end is not visited in this run. That is kept, for it decides what is requested when. But
/// where data hold states of such an iteration the reference loses them, and with them results that
/// peers have signed (air-data §11, D1): these values are visited here.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// How many generations of each list to skip.
    skip: [u64; 3],
    /// How many values were visited of each generation, by list and number.
    visited: BTreeMap<(usize, u32), usize>,
    started: bool,
}

impl Cursor {
    /// The next wave: groups of values to be visited one after the other, none of them empty. Opens a
    /// generation for what the wave will append. `has_states` tells whether data hold states of an
    /// iteration over the value that was put into the stream at a position.
    pub(crate) fn next_wave(
        &mut self,
        stream: &mut Stream,
        has_states: impl Fn(u32) -> bool,
    ) -> Vec<Vec<Datum>> {
        let mut wave = Vec::new();
        let previous = stream.previous.iter().map(|(&number, values)| (number, values));
        self.select(0, previous, &has_states, &mut wave);
        let current = stream.current.iter().map(|(&number, values)| (number, values));
        self.select(1, current, &has_states, &mut wave);
        self.select(2, (0..).zip(&stream.new), &has_states, &mut wave);
        if self.started {
            stream.drop_empty_generation();
        }
        self.skip = stream.lengths();
        if self.started || !wave.is_empty() {
            stream.open_generation();
        }
        self.started = true;
        wave
    }

    fn select<'a>(
        &mut self,
        list: usize,
        generations: impl Iterator<Item = (u32, &'a Vec<Datum>)>,
        has_states: &impl Fn(u32) -> bool,
        wave: &mut Vec<Vec<Datum>>,
    ) {
        let skip = self.skip.get(list).copied().unwrap_or(0);
        let filled = generations.filter(|(_, values)| !values.is_empty());
        for (place, (number, values)) in (0_u64..).zip(filled) {
            let visited = self.visited.entry((list, number)).or_default();
            let unvisited = values.get(*visited..).unwrap_or_default();
            let group: Vec<Datum> = if place >= skip {
                *visited = values.len();
                unvisited.to_vec()
            } else {
                // Lore entries are used up by their iteration, so nothing is visited twice.
                unvisited.iter().filter(|datum| has_states(datum.position)).cloned().collect()
            };
            if !group.is_empty() {
                wave.push(group);
            }
        }
    }
}
