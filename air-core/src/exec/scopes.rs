//! Scopes of scalars, canon streams and canon maps (air-language §4.3).
//!
//! Each name has a stack of cells, each made at a depth; only the top cell counts. A fold and every
//! `next` open a deeper scope, and only the depths that are *allowed* are visible.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::Name;

use super::canon_values::{CanonMap, CanonStream};
use super::datum::Datum;

/// The three tables and the depth that they share.
#[derive(Debug, Clone)]
pub(crate) struct Scopes {
    depth: u32,
    /// By depth, 0 to `depth`: whether cells of that depth are visible.
    allowed: Vec<bool>,
    pub(crate) scalars: Cells<Datum>,
    pub(crate) canons: Cells<Arc<CanonStream>>,
    pub(crate) maps: Cells<Arc<CanonMap>>,
}

/// What a name means now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup<T> {
    /// No cell, or one that is not visible.
    Absent,
    /// Restricted by `new` and not set since.
    Unset,
    /// A value.
    Set(T),
}

/// The name cannot be set here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shadowed;

/// The top cell of a name was not made at this depth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Corrupted {
    pub(crate) depth: u32,
}

impl Scopes {
    /// Empty tables at depth 0.
    pub(crate) fn new() -> Self {
        Self {
            depth: 0,
            allowed: alloc::vec![true],
            scalars: Cells::default(),
            canons: Cells::default(),
            maps: Cells::default(),
        }
    }

    /// A fold (or one generation of a stream fold) starts.
    pub(crate) fn enter_fold(&mut self) {
        self.depth += 1;
        self.allow(true);
    }

    /// A fold ends, well or not.
    pub(crate) fn leave_fold(&mut self) {
        self.allow(false);
        self.depth = self.depth.saturating_sub(1);
        self.clean_up();
    }

    /// `next` enters the next iteration: this one's own cells are hidden.
    pub(crate) fn enter_next(&mut self) {
        self.allow(false);
        self.depth += 1;
        self.allow(true);
    }

    /// `next` returns from that iteration, well or not.
    pub(crate) fn leave_next(&mut self) {
        self.allow(false);
        self.depth = self.depth.saturating_sub(1);
        self.allow(true);
        self.clean_up();
    }

    fn allow(&mut self, allowed: bool) {
        let index = self.depth as usize;
        if index >= self.allowed.len() {
            self.allowed.resize(index + 1, false);
        }
        if let Some(slot) = self.allowed.get_mut(index) {
            *slot = allowed;
        }
    }

    fn clean_up(&mut self) {
        self.scalars.clean_up(self.depth);
        self.canons.clean_up(self.depth);
        self.maps.clean_up(self.depth);
    }

    pub(crate) fn get<'a, T>(&self, cells: &'a Cells<T>, name: Name) -> Lookup<&'a T> {
        match cells.top(name) {
            Some(cell) if self.allowed.get(cell.depth as usize) == Some(&true) => {
                cell.value.as_ref().map_or(Lookup::Unset, Lookup::Set)
            }
            _ => Lookup::Absent,
        }
    }

    pub(crate) fn scalar(&self, name: Name) -> Lookup<&Datum> {
        self.get(&self.scalars, name)
    }

    pub(crate) fn canon(&self, name: Name) -> Lookup<&Arc<CanonStream>> {
        self.get(&self.canons, name)
    }

    pub(crate) fn map(&self, name: Name) -> Lookup<&Arc<CanonMap>> {
        self.get(&self.maps, name)
    }

    /// Whether a scalar of that name can be set here.
    pub(crate) fn can_set_scalar(&self, name: Name) -> bool {
        self.scalars.can_set(name, self.depth)
    }

    pub(crate) fn set_scalar(&mut self, name: Name, value: Datum) -> Result<(), Shadowed> {
        self.scalars.set(name, self.depth, value)
    }

    pub(crate) fn set_canon(&mut self, name: Name, v: Arc<CanonStream>) -> Result<(), Shadowed> {
        self.canons.set(name, self.depth, v)
    }

    pub(crate) fn set_map(&mut self, name: Name, value: Arc<CanonMap>) -> Result<(), Shadowed> {
        self.maps.set(name, self.depth, value)
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }
}

/// The cells of one kind of variable.
#[derive(Debug, Clone)]
pub(crate) struct Cells<T> {
    /// By name, up to the last that had a cell.
    stacks: Vec<Vec<Cell<T>>>,
    /// Names that got a cell below depth 0, with its depth, in order of depth: what a clean-up has to
    /// look at. An entry whose cell is gone is harmless.
    deep: Vec<(u32, Name)>,
}

#[derive(Debug, Clone)]
struct Cell<T> {
    depth: u32,
    value: Option<T>,
}

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self { stacks: Vec::new(), deep: Vec::new() }
    }
}

impl<T> Cells<T> {
    fn top(&self, name: Name) -> Option<&Cell<T>> {
        self.stacks.get(name.index())?.last()
    }

    fn push(&mut self, name: Name, depth: u32, value: Option<T>) {
        if name.index() >= self.stacks.len() {
            self.stacks.resize_with(name.index() + 1, Vec::new);
        }
        if let Some(stack) = self.stacks.get_mut(name.index()) {
            stack.push(Cell { depth, value });
            if depth > 0 {
                self.deep.push((depth, name));
            }
        }
    }

    fn can_set(&self, name: Name, depth: u32) -> bool {
        depth > 0 || self.top(name).is_none_or(|cell| cell.value.is_none())
    }

    fn set(&mut self, name: Name, depth: u32, value: T) -> Result<(), Shadowed> {
        if !self.can_set(name, depth) {
            return Err(Shadowed);
        }
        match self.stacks.get_mut(name.index()).and_then(|stack| stack.last_mut()) {
            Some(cell) if cell.depth == depth => cell.value = Some(value),
            _ => self.push(name, depth, Some(value)),
        }
        Ok(())
    }

    /// `new` starts.
    pub(crate) fn restrict(&mut self, name: Name, depth: u32) {
        self.push(name, depth, None);
    }

    /// `new` ends.
    pub(crate) fn release(&mut self, name: Name, depth: u32) -> Result<(), Corrupted> {
        match self.stacks.get_mut(name.index()).and_then(Vec::pop) {
            Some(cell) if cell.depth == depth => Ok(()),
            _ => Err(Corrupted { depth }),
        }
    }

    /// Pops the cell of each name whose top is deeper than `depth`.
    fn clean_up(&mut self, depth: u32) {
        while let Some(&(deep, name)) = self.deep.last() {
            if deep <= depth {
                break;
            }
            self.deep.pop();
            if let Some(stack) = self.stacks.get_mut(name.index())
                && stack.last().is_some_and(|cell| cell.depth > depth)
            {
                stack.pop();
            }
        }
    }
}
