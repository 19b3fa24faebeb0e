//! Finds instructions that would run after `next` in folds over streams and maps (§3.3).
//!
//! A stack machine over instructions in the order in which they end, quirks included: what happens
//! in one fold may make it blame a later one, and some shapes switch it off.

use alloc::vec::Vec;

use crate::Span;
use crate::ast::Name;

/// The machine.
#[derive(Debug, Default)]
pub(super) struct AfterNext {
    /// For each finished instruction without a parent yet: the iterator of the `next` that it ends
    /// with, if it does.
    stack: Vec<Option<Name>>,
    /// By name: the place where something comes after a `next` of this iterator.
    pending: Vec<Option<Span>>,
    findings: Vec<Span>,
    is_disabled: bool,
}

impl AfterNext {
    /// The instructions that have something after `next`.
    pub(super) fn findings(self) -> impl Iterator<Item = Span> {
        self.findings.into_iter()
    }

    /// An instruction without children, other than `next`.
    pub(super) fn plain(&mut self) {
        self.push(None);
    }

    /// `next`
    pub(super) fn next(&mut self, iterator: Name) {
        self.push(Some(iterator));
    }

    /// `match`, `mismatch`, `new`
    pub(super) fn wrapper(&mut self) {
        if let Some(child) = self.pop() {
            self.push(child);
        }
    }

    /// `seq`, `par`
    pub(super) fn sequence(&mut self, span: Span) {
        let (Some(right), Some(left)) = (self.pop(), self.pop()) else { return };
        let ends_with = match (left, right) {
            (Some(a), Some(b)) if a == b => Some(a),
            (Some(iterator), _) => {
                self.pending(iterator).get_or_insert(span);
                None
            }
            (None, right) => right,
        };
        self.push(ends_with);
    }

    /// `xor`
    pub(super) fn alternative(&mut self) {
        let (Some(right), Some(left)) = (self.pop(), self.pop()) else { return };
        match (left, right) {
            (Some(_), Some(_)) => self.is_disabled = true,
            (left, right) => self.push(left.or(right)),
        }
    }

    /// `fold` over a scalar, a canon stream, a canon map, `[]`
    pub(super) fn value_fold(&mut self, has_last: bool) {
        self.stack.pop();
        if has_last {
            self.stack.pop();
        }
        self.push(None);
    }

    /// `fold` over a stream or a stream map
    pub(super) fn stream_fold(&mut self, iterator: Name, has_last: bool) {
        if has_last {
            self.stack.pop();
        }
        let Some(child) = self.pop() else { return };
        let pending = self.pending(iterator);
        let finding = *pending;
        if child == Some(iterator) {
            *pending = None;
        }
        if !self.is_disabled {
            self.findings.extend(finding);
        }
        self.push(child.filter(|&name| name != iterator));
    }

    fn push(&mut self, entry: Option<Name>) {
        if !self.is_disabled {
            self.stack.push(entry);
        }
    }

    /// The topmost instruction; without one the machine stops.
    fn pop(&mut self) -> Option<Option<Name>> {
        let top = self.stack.pop();
        self.is_disabled |= top.is_none();
        top
    }

    fn pending(&mut self, iterator: Name) -> &mut Option<Span> {
        let index = iterator.index();
        if index >= self.pending.len() {
            self.pending.resize(index + 1, None);
        }
        &mut self.pending[index]
    }
}
