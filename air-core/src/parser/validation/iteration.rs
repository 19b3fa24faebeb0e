//! Rules about folds that share an iterator's name (§3.2, V2 to V5).

use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::Span;
use crate::ast::{Name, ScriptBuilder};
use crate::parser::diagnostic::{Diagnostic, DiagnosticKind};
use crate::parser::limits::MAX_DIAGNOSTICS;

/// All folds, `next`s and `new`s of scalars.
#[derive(Debug, Default)]
pub(super) struct Iterations {
    events: Vec<Event>,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    name: Name,
    span: Span,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fold,
    Next,
    New,
}

/// A fold around the current event.
#[derive(Debug)]
struct Around {
    span: Span,
    has_next: bool,
}

impl Iterations {
    pub(super) fn fold(&mut self, name: Name, span: Span) {
        self.events.push(Event { name, span, kind: Kind::Fold });
    }

    pub(super) fn next(&mut self, name: Name, span: Span) {
        self.events.push(Event { name, span, kind: Kind::Next });
    }

    pub(super) fn new_scalar(&mut self, name: Name, span: Span) {
        self.events.push(Event { name, span, kind: Kind::New });
    }

    /// Adds what is wrong, rule after rule.
    pub(super) fn finish(mut self, script: &ScriptBuilder, diagnostics: &mut Vec<Diagnostic>) {
        self.events.sort_unstable_by_key(|e| (e.name, e.span.left, Reverse(e.span.right)));
        let mut findings: [Vec<(Name, Span)>; 4] = Default::default();
        let [undefined, multiple_next, restricted, nested] = &mut findings;
        for events in self.events.chunk_by(|a, b| a.name == b.name) {
            let mut around: Vec<Around> = Vec::new();
            let mut is_first_next = true;
            for &Event { name, span, kind } in events {
                while around.last().is_some_and(|fold| fold.span.right <= span.left) {
                    around.pop();
                }
                match (kind, around.last_mut()) {
                    (Kind::Fold, innermost) => {
                        if innermost.is_some() {
                            nested.push((name, span));
                        }
                        around.push(Around { span, has_next: false });
                    }
                    (Kind::Next, None) => {
                        // Only the first is examined; others are found at run time.
                        if is_first_next {
                            undefined.push((name, span));
                        }
                    }
                    (Kind::Next, Some(fold)) => {
                        if fold.has_next {
                            multiple_next.push((name, span));
                        }
                        fold.has_next = true;
                    }
                    (Kind::New, Some(_)) => restricted.push((name, span)),
                    (Kind::New, None) => {}
                }
                is_first_next &= kind != Kind::Next;
            }
        }
        let kinds = [
            DiagnosticKind::UndefinedIterable,
            DiagnosticKind::MultipleNextInFold,
            DiagnosticKind::IteratorRestrictionNotAllowed,
            DiagnosticKind::MultipleIterableValuesForOneIterator,
        ];
        for (kind, findings) in kinds.into_iter().zip(findings) {
            for (name, span) in findings.into_iter().take(MAX_DIAGNOSTICS) {
                diagnostics.push(Diagnostic { kind: kind(script.name_text(name).clone()), span });
            }
        }
    }
}
