//! Which stream a `$name` or `%name` in the script means (air-language §4.4, stream scopes).
//!
//! A use belongs to the innermost `new` of that name whose span contains the use's token, else to the
//! global stream. Since a fold body runs only while its fold is open, that `new` is running whenever
//! the token is executed, and its latest stream is the one that is meant: so every use is resolved to a
//! slot by its position alone, and a slot is a stack of streams.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::{Instruction, NodeId, Restricted, Script, Span, Variable};

use super::stream::Stream;

/// Index of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotId(usize);

/// The slots of a script: one for each name, and one for each `new` over a stream or stream map.
#[derive(Debug)]
pub(crate) struct StreamSlots {
    /// By name: the spans of its `new`s and their slots.
    restricted: Vec<Vec<(Span, SlotId)>>,
    count: usize,
}

impl StreamSlots {
    pub(crate) fn new(script: &Script) -> Self {
        let mut restricted = Vec::new();
        restricted.resize_with(script.name_count(), Vec::new);
        let mut count = script.name_count();
        for node in script.nodes() {
            let Instruction::New { target, .. } = node.instruction else { continue };
            let (Restricted::Stream(variable) | Restricted::StreamMap(variable)) = target else {
                continue;
            };
            if let Some(spans) = restricted.get_mut(variable.name.index()) {
                spans.push((node.span, SlotId(count)));
                count += 1;
            }
        }
        Self { restricted, count }
    }

    /// The slot of a use.
    pub(crate) fn of_use(&self, variable: Variable) -> SlotId {
        let spans = self.restricted.get(variable.name.index()).map_or(&[][..], Vec::as_slice);
        spans
            .iter()
            .filter(|(span, _)| span.contains(variable.position))
            .max_by_key(|(span, _)| span.left)
            .map_or(SlotId(variable.name.index()), |&(_, slot)| slot)
    }

    /// The slot of the streams that a `new` makes.
    pub(crate) fn of_new(&self, script: &Script, node: NodeId, variable: Variable) -> SlotId {
        let span = script.span(node);
        let spans = self.restricted.get(variable.name.index()).map_or(&[][..], Vec::as_slice);
        spans
            .iter()
            .find(|(known, _)| *known == span)
            .map_or(SlotId(variable.name.index()), |&(_, slot)| slot)
    }
}

/// By slot: the streams and stream maps that exist. Those that a checkpoint holds too are copied when they
/// are written to.
pub(crate) type Instances = Vec<Vec<Arc<Stream>>>;

/// The streams and stream maps that exist.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) slots: Arc<StreamSlots>,
    pub(super) instances: Arc<Instances>,
}

impl Streams {
    /// None, and no room for any.
    pub(crate) fn new(slots: Arc<StreamSlots>) -> Self {
        Self { slots, instances: Arc::default() }
    }

    /// Makes room for those of all slots.
    pub(crate) fn make_slots(&mut self) {
        let count = self.slots.count;
        Arc::make_mut(&mut self.instances).resize_with(count, Vec::new);
    }

    /// The stream that a use means, if it exists.
    pub(crate) fn get(&self, variable: Variable) -> Option<&Stream> {
        self.instances.get(self.slots.of_use(variable).0)?.last().map(|stream| &**stream)
    }

    pub(crate) fn get_mut(&mut self, slot: SlotId) -> Option<&mut Stream> {
        self.of_slot(slot)?.last_mut().map(Arc::make_mut)
    }

    /// The stream that a write means; a global one is made by its first write.
    pub(crate) fn get_or_create(&mut self, variable: Variable) -> Option<&mut Stream> {
        let slot = self.slots.of_use(variable);
        let instances = self.of_slot(slot)?;
        if instances.is_empty() {
            instances.push(Arc::default());
        }
        instances.last_mut().map(Arc::make_mut)
    }

    fn of_slot(&mut self, slot: SlotId) -> Option<&mut Vec<Arc<Stream>>> {
        Arc::make_mut(&mut self.instances).get_mut(slot.0)
    }

    /// `new` starts.
    pub(crate) fn restrict(&mut self, slot: SlotId) {
        if let Some(instances) = self.of_slot(slot) {
            instances.push(Arc::default());
        }
    }

    /// `new` ends.
    pub(crate) fn release(&mut self, slot: SlotId) -> Option<Arc<Stream>> {
        self.of_slot(slot)?.pop()
    }

    /// All streams that are left: the global ones.
    pub(crate) fn take_all(&mut self) -> Arc<Instances> {
        core::mem::take(&mut self.instances)
    }
}
