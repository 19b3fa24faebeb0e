//! Static checks of a script (§3): definitions and uses of variables, iterators, `next`.
//!
//! Instructions are reported in the order in which they end. The checks deliberately miss what the
//! reference misses (§3.1), since all peers must agree which scripts are valid.

mod after_next;
mod iteration;

use alloc::vec::Vec;

use self::after_next::AfterNext;
use self::iteration::Iterations;
use super::diagnostic::{Diagnostic, DiagnosticKind};
use super::grammar::Open;
use super::limits::MAX_DIAGNOSTICS;
use crate::Span;
use crate::ast::{
    Accessor, Failure, Instruction, Iterable, Lens, LensId, MapKey, Name, Operand, Output,
    Restricted, ScriptBuilder,
};

/// What is known of the script so far.
#[derive(Debug, Default)]
pub(super) struct Validator {
    /// By name.
    variables: Vec<VariableState>,
    /// The names that have an unsatisfied use, in the order of these.
    used: Vec<Name>,
    iterations: Iterations,
    zero_codes: Vec<Span>,
    after_next: AfterNext,
}

/// What is known of one name.
#[derive(Debug, Clone, Copy, Default)]
struct VariableState {
    /// Start of the leftmost instruction that defines it, or of the leftmost fold that iterates it.
    defined: Option<u32>,
    /// Its first use that nothing to the left satisfied when it was met. Only this one is checked
    /// in the end.
    used: Option<Span>,
}

impl VariableState {
    fn satisfies(&self, user: Span) -> bool {
        self.defined.is_some_and(|left| left < user.left)
    }
}

impl Validator {
    /// An instruction without instructions inside.
    pub(super) fn leaf(&mut self, script: &ScriptBuilder, instruction: &Instruction, span: Span) {
        let uses = Uses { script, span };
        match *instruction {
            Instruction::Call(call) => {
                let call = script.call(call);
                for part in [call.peer, call.service, call.function] {
                    self.use_operand(uses, part.into());
                }
                for &argument in script.operands(call.arguments) {
                    self.use_operand(uses, argument);
                }
                if let Some(output) = call.output {
                    self.define_output(output, span);
                }
            }
            Instruction::Ap { argument, target } => {
                self.use_operand(uses, argument);
                self.define_output(target, span);
            }
            // The value is not checked (§3.1).
            Instruction::ApMap { key, map, .. } => {
                self.use_key(uses, key);
                self.define(map.name, span);
            }
            // Neither peer nor source are checked (§3.1).
            Instruction::Canon { target, .. }
            | Instruction::CanonMap { target, .. }
            | Instruction::CanonMapScalar { target, .. } => self.define(target.name, span),
            Instruction::Next { iterator } => {
                self.iterations.next(iterator.name, span);
                self.after_next.next(iterator.name);
                return;
            }
            // The operand is not checked (§3.1).
            Instruction::Fail(Failure::Literal { code: 0, .. }) => self.zero_codes.push(span),
            _ => {}
        }
        self.after_next.plain();
    }

    /// An instruction with `count` instructions inside, all of which were reported before.
    pub(super) fn compound(&mut self, script: &ScriptBuilder, open: &Open, count: u8, span: Span) {
        let uses = Uses { script, span };
        match *open {
            Open::Script => {}
            Open::Seq | Open::Par => self.after_next.sequence(span),
            Open::Xor => self.after_next.alternative(),
            Open::Match { left, right } | Open::Mismatch { left, right } => {
                self.use_operand(uses, left);
                self.use_operand(uses, right);
                self.after_next.wrapper();
            }
            Open::New { target } => {
                let name = target.variable().name;
                self.define(name, span);
                if let Restricted::Scalar(_) = target {
                    self.iterations.new_scalar(name, span);
                }
                self.after_next.wrapper();
            }
            Open::Fold { iterable, iterator } => {
                self.use_iterable(uses, iterable);
                self.define(iterator.name, span);
                self.iterations.fold(iterator.name, span);
                let is_stream = matches!(iterable, Iterable::Stream(_) | Iterable::StreamMap(_));
                let has_last = count > 1;
                if is_stream {
                    self.after_next.stream_fold(iterator.name, has_last);
                } else {
                    self.after_next.value_fold(has_last);
                }
            }
        }
    }

    /// Adds what is wrong to the `diagnostics`.
    pub(super) fn finish(self, script: &ScriptBuilder, diagnostics: &mut Vec<Diagnostic>) {
        for &name in &self.used {
            let state = self.variables.get(name.index()).copied().unwrap_or_default();
            if let Some(span) = state.used
                && !state.satisfies(span)
            {
                let kind = DiagnosticKind::UndefinedVariable(script.name_text(name).clone());
                diagnostics.push(Diagnostic { kind, span });
            }
            if diagnostics.len() >= MAX_DIAGNOSTICS {
                return;
            }
        }
        self.iterations.finish(script, diagnostics);
        let zero_codes = self.zero_codes.into_iter();
        diagnostics.extend(
            zero_codes
                .take(MAX_DIAGNOSTICS)
                .map(|span| Diagnostic { kind: DiagnosticKind::UnsupportedLiteralErrCodes, span }),
        );
        diagnostics.extend(
            self.after_next
                .findings()
                .take(MAX_DIAGNOSTICS)
                .map(|span| Diagnostic { kind: DiagnosticKind::FoldHasInstructionAfterNext, span }),
        );
    }

    fn variable(&mut self, name: Name) -> &mut VariableState {
        let index = name.index();
        if index >= self.variables.len() {
            self.variables.resize(index + 1, VariableState::default());
        }
        &mut self.variables[index]
    }

    fn define(&mut self, name: Name, span: Span) {
        let defined = &mut self.variable(name).defined;
        *defined = Some(defined.map_or(span.left, |left| left.min(span.left)));
    }

    fn define_output(&mut self, output: Output, span: Span) {
        match output {
            Output::Scalar(variable) | Output::Stream(variable) => self.define(variable.name, span),
        }
    }

    fn use_name(&mut self, name: Name, span: Span) {
        let state = self.variable(name);
        if state.used.is_none() && !state.satisfies(span) {
            state.used = Some(span);
            self.used.push(name);
        }
    }

    /// The scalars that index in a lens.
    fn use_lens(&mut self, uses: Uses<'_>, lens: LensId) {
        if let Lens::Path(accessors) = uses.script.lens(lens) {
            for accessor in accessors {
                if let Accessor::ByScalar(name) = *accessor {
                    self.use_name(name, uses.span);
                }
            }
        }
    }

    fn use_operand(&mut self, uses: Uses<'_>, operand: Operand) {
        match operand {
            Operand::Scalar(variable) | Operand::Canon(variable) | Operand::CanonMap(variable) => {
                self.use_name(variable.name, uses.span);
            }
            Operand::ScalarLens(lensed)
            | Operand::CanonLens(lensed)
            | Operand::CanonMapLens(lensed) => {
                self.use_name(lensed.name, uses.span);
                self.use_lens(uses, lensed.lens);
            }
            // What indexes in the lenses of the two errors is not checked either: the reference
            // accepts `:error:.$.[i]` without any `i`.
            Operand::LastError(_) | Operand::Error(_) => {}
            Operand::InitPeerId
            | Operand::Timestamp
            | Operand::Ttl
            | Operand::Literal(_)
            | Operand::Integer(_)
            | Operand::Float(_)
            | Operand::Boolean(_)
            | Operand::EmptyArray => {}
        }
    }

    fn use_key(&mut self, uses: Uses<'_>, key: MapKey) {
        self.use_operand(uses, key.into());
    }

    fn use_iterable(&mut self, uses: Uses<'_>, iterable: Iterable) {
        match iterable {
            Iterable::EmptyArray => {}
            Iterable::Scalar(variable)
            | Iterable::Canon(variable)
            | Iterable::CanonMap(variable)
            | Iterable::Stream(variable)
            | Iterable::StreamMap(variable) => self.use_name(variable.name, uses.span),
            Iterable::ScalarLens(lensed) | Iterable::CanonMapLens(lensed) => {
                self.use_name(lensed.name, uses.span);
                self.use_lens(uses, lensed.lens);
            }
        }
    }
}

/// The instruction that uses variables.
#[derive(Debug, Clone, Copy)]
struct Uses<'a> {
    script: &'a ScriptBuilder,
    span: Span,
}
