//! A running fold: its elements and the one that the iterator shows (air-language §6.7, §6.9).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;

use crate::ast::NodeId;
use crate::data::{Provenance, Tetraplet};
use crate::value::{Array, Value};

use super::datum::{Datum, with_index};
use super::merge::FoldId;

/// What a fold iterates, a snapshot.
#[derive(Debug, Clone)]
pub(crate) enum Elements {
    /// The items of an array that was found in a variable.
    Array {
        items: Arc<Array>,
        /// That of the array; the items' get their index as lens.
        tetraplet: Arc<Tetraplet>,
        provenance: Provenance,
    },
    /// Values with their own origins.
    Data(Arc<Vec<Datum>>),
}

impl Elements {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Array { items, .. } => items.len(),
            Self::Data(data) => data.len(),
        }
    }
}

/// The state of an iterator.
#[derive(Debug, Clone)]
pub(crate) struct Iteration {
    elements: Elements,
    index: usize,
    /// The tetraplet of the shown item, once it has been asked for.
    shown: OnceCell<Arc<Tetraplet>>,
    pub(crate) body: NodeId,
    pub(crate) last: Option<NodeId>,
    /// The fold's traces, if it iterates a stream or a stream map.
    pub(crate) fold: Option<FoldId>,
    /// Whether `next` has met the end of the elements.
    pub(crate) exhausted: bool,
}

impl Iteration {
    /// An iterator that shows the first of the elements; `fold` if they are those of a stream.
    pub(crate) fn new(
        elements: Elements,
        body: NodeId,
        last: Option<NodeId>,
        fold: Option<FoldId>,
    ) -> Self {
        Self { elements, index: 0, shown: OnceCell::new(), body, last, fold, exhausted: false }
    }

    /// How many elements the iteration keeps values of.
    pub(crate) fn kept(&self) -> usize {
        match &self.elements {
            Elements::Array { .. } => 0,
            Elements::Data(data) => data.len(),
        }
    }

    /// Shows the next element; whether there is one.
    pub(crate) fn advance(&mut self) -> bool {
        let has_following = self.index + 1 < self.elements.len();
        if has_following {
            self.index += 1;
            self.shown.take();
        }
        has_following
    }

    /// Shows the element before.
    pub(crate) fn retreat(&mut self) {
        self.index = self.index.saturating_sub(1);
        self.shown.take();
    }

    /// The value that the iterator shows.
    pub(crate) fn value(&self) -> &Value {
        const NULL: &Value = &Value::Null;
        match &self.elements {
            Elements::Array { items, .. } => items.get(self.index).unwrap_or(NULL),
            Elements::Data(data) => data.get(self.index).map_or(NULL, |datum| &datum.value),
        }
    }

    /// The value with its origin.
    pub(crate) fn datum(&self) -> Option<Datum> {
        match &self.elements {
            Elements::Array { items, tetraplet, provenance } => {
                let value = items.get(self.index)?.clone();
                let shown = self.shown.get_or_init(|| with_index(tetraplet, self.index));
                Some(Datum::new(value, shown.clone(), provenance.clone()))
            }
            Elements::Data(data) => data.get(self.index).cloned(),
        }
    }

    /// The position of the state that put the shown value into the stream.
    pub(crate) fn position(&self) -> u32 {
        match &self.elements {
            Elements::Array { .. } => 0,
            Elements::Data(data) => data.get(self.index).map_or(0, |datum| datum.position),
        }
    }
}
