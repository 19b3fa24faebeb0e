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
    /// The slots of the `new`s, in order of these.
    of_news: Vec<(NodeId, SlotId)>,
    /// By index of the name, then by position: from where on which slot is meant. Before the first
    /// it is the global one.
    changes: Vec<(usize, u32, SlotId)>,
}

impl StreamSlots {
    pub(crate) fn new(script: &Script) -> Self {
        let mut of_news = Vec::new();
        let mut spans = Vec::new();
        for (index, node) in (0..).zip(script.nodes()) {
            let Instruction::New { target, .. } = node.instruction else { continue };
            let (Restricted::Stream(variable) | Restricted::StreamMap(variable)) = target else {
                continue;
            };
            let slot = SlotId(script.name_count() + of_news.len());
            of_news.push((NodeId(index), slot));
            spans.push((variable.name.index(), node.span, slot));
        }
        Self { of_news, changes: changes(spans) }
    }

    /// The slot of a use.
    pub(crate) fn of_use(&self, variable: Variable) -> SlotId {
        let (name, position) = (variable.name.index(), variable.position);
        let after = self.changes.partition_point(|&(n, from, _)| (n, from) <= (name, position));
        match after.checked_sub(1).and_then(|last| self.changes.get(last)) {
            Some(&(known, _, slot)) if known == name => slot,
            _ => SlotId(name),
        }
    }

    /// The slot of the streams that a `new` makes.
    pub(crate) fn of_new(&self, node: NodeId, variable: Variable) -> SlotId {
        let found = self.of_news.binary_search_by_key(&node, |&(new, _)| new);
        let found = found.ok().and_then(|index| self.of_news.get(index));
        found.map_or(SlotId(variable.name.index()), |&(_, slot)| slot)
    }
}

/// Where the innermost span of a name changes; spans of one name lie inside each other or apart.
fn changes(mut spans: Vec<(usize, Span, SlotId)>) -> Vec<(usize, u32, SlotId)> {
    spans.sort_unstable_by_key(|&(name, span, _)| (name, span.left));
    let mut changes = Vec::with_capacity(2 * spans.len());
    let mut open: Vec<(usize, Span, SlotId)> = Vec::new();
    // Closes what ends before the position, or everything.
    let close = |open: &mut Vec<(usize, Span, SlotId)>, changes: &mut Vec<_>, until| {
        while let Some(&(name, span, _)) = open.last() {
            if until < (name, span.right) {
                break;
            }
            open.pop();
            let outer = open.last().map_or(SlotId(name), |&(.., slot)| slot);
            changes.push((name, span.right, outer));
        }
    };
    for (name, span, slot) in spans {
        close(&mut open, &mut changes, (name, span.left));
        changes.push((name, span.left, slot));
        open.push((name, span, slot));
    }
    close(&mut open, &mut changes, (usize::MAX, u32::MAX));
    changes
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
    pub(crate) fn new(slots: Arc<StreamSlots>) -> Self {
        Self { slots, instances: Arc::default() }
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
        let instances = self.made_slot(slot)?;
        if instances.is_empty() {
            instances.push(Arc::default());
        }
        instances.last_mut().map(Arc::make_mut)
    }

    fn of_slot(&mut self, slot: SlotId) -> Option<&mut Vec<Arc<Stream>>> {
        Arc::make_mut(&mut self.instances).get_mut(slot.0)
    }

    fn made_slot(&mut self, slot: SlotId) -> Option<&mut Vec<Arc<Stream>>> {
        let instances = Arc::make_mut(&mut self.instances);
        if slot.0 >= instances.len() {
            instances.resize_with(slot.0 + 1, Vec::new);
        }
        instances.get_mut(slot.0)
    }

    /// `new` starts.
    pub(crate) fn restrict(&mut self, slot: SlotId) {
        if let Some(instances) = self.made_slot(slot) {
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

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;
    use crate::ast::Output;

    /// Nests and rows of `new` with writes to one of two streams anywhere.
    fn scripts() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(&["(ap 1 $a)", "(ap 1 $b)", "(null)"][..]);
        leaf.prop_map(String::from).prop_recursive(8, 64, 2, |inner| {
            (0..3, inner.clone(), inner).prop_map(|(kind, one, two)| match kind {
                0 => format!("(seq {one} {two})"),
                1 => format!("(new $a {one})"),
                _ => format!("(seq (new $b {one}) {two})"),
            })
        })
    }

    proptest! {
        #[test]
        fn a_use_belongs_to_the_innermost_new_around_it(text in scripts()) {
            let script = Script::parse(&text).unwrap();
            let slots = StreamSlots::new(&script);
            for node in script.nodes() {
                let Instruction::Ap { target: Output::Stream(variable), .. } = node.instruction else {
                    continue;
                };
                let around = script.nodes().iter().enumerate().filter(|(_, node)| {
                    matches!(node.instruction, Instruction::New { target, .. }
                        if target.variable().name == variable.name)
                        && node.span.contains(variable.position)
                });
                let innermost = around.max_by_key(|(_, node)| node.span.left);
                let expected = innermost.map_or(SlotId(variable.name.index()), |(index, _)| {
                    slots.of_new(NodeId(u32::try_from(index).unwrap()), variable)
                });
                prop_assert_eq!(slots.of_use(variable), expected, "{}", text);
            }
        }
    }
}
