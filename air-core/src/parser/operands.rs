//! Reads an instruction's keyword and operands; each error names the tokens that fit there.

use super::diagnostic::DiagnosticKind;
use super::grammar::{Failure, Head, Open, Parser};
use super::lens::LensPart;
use super::limits::{ARGUMENTS_BETWEEN_LOOKS, MAX_SCRIPT_BYTES};
use super::token::{Kind, TokenSet};
use crate::Span;
use crate::ast::{
    Accessor, Call, Failure as Fail, Instruction, Iterable, Lens, LensId, Lensed, MapKey, Name,
    Operand, Output, Restricted, Text, TripletPart, Variable,
};

const KEYWORDS: TokenSet = TokenSet::of(&[
    Kind::Ap,
    Kind::Call,
    Kind::CanonWord,
    Kind::Fail,
    Kind::Fold,
    Kind::Match,
    Kind::Mismatch,
    Kind::Never,
    Kind::New,
    Kind::Next,
    Kind::Null,
    Kind::Par,
    Kind::Seq,
    Kind::Xor,
]);
const FUNCTION_NAME: TokenSet = TokenSet::of(&[
    Kind::Literal,
    Kind::Scalar,
    Kind::ScalarLens,
    Kind::CanonLens,
    Kind::CanonMapLens,
]);
const PEER: TokenSet = FUNCTION_NAME.with(&[Kind::InitPeerId]);
const VALUE: TokenSet = PEER.with(&[
    Kind::OpenSquare,
    Kind::Boolean,
    Kind::Canon,
    Kind::CanonMap,
    Kind::Error,
    Kind::ErrorLens,
    Kind::Float,
    Kind::Integer,
    Kind::LastError,
    Kind::LastErrorLens,
    Kind::Ttl,
    Kind::Timestamp,
]);
const AP_ARGUMENT: TokenSet = VALUE.without(&[Kind::CanonMap]);
const MAP_KEY: TokenSet =
    TokenSet::of(&[Kind::Literal, Kind::Integer, Kind::Scalar, Kind::ScalarLens, Kind::CanonLens]);
const OUTPUT: TokenSet = TokenSet::of(&[Kind::Scalar, Kind::Stream]);
const ITERABLE: TokenSet = TokenSet::of(&[
    Kind::OpenSquare,
    Kind::Scalar,
    Kind::ScalarLens,
    Kind::Canon,
    Kind::CanonMap,
    Kind::CanonMapLens,
    Kind::Stream,
    Kind::StreamMap,
]);
const RESTRICTED: TokenSet =
    TokenSet::of(&[Kind::Scalar, Kind::Stream, Kind::StreamMap, Kind::Canon, Kind::CanonMap]);
const FAILURE: TokenSet = TokenSet::of(&[
    Kind::Scalar,
    Kind::ScalarLens,
    Kind::Integer,
    Kind::CanonLens,
    Kind::LastError,
    Kind::Error,
]);

impl<'a> Parser<'a> {
    /// Reads from the keyword on; `left` is the offset of the bracket before it.
    #[inline]
    pub(super) fn head(&mut self, left: u32) -> Result<Head, Failure> {
        let keyword = self.token.kind;
        if !KEYWORDS.contains(keyword) {
            return Err(Failure::Syntax(KEYWORDS));
        }
        self.advance();
        let instruction = match keyword {
            Kind::Seq => return Ok(Head::Open(Open::Seq)),
            Kind::Par => return Ok(Head::Open(Open::Par)),
            Kind::Xor => return Ok(Head::Open(Open::Xor)),
            Kind::Match => {
                let (left, right) = (self.value(VALUE)?, self.value(VALUE)?);
                return Ok(Head::Open(Open::Match { left, right }));
            }
            Kind::Mismatch => {
                let (left, right) = (self.value(VALUE)?, self.value(VALUE)?);
                return Ok(Head::Open(Open::Mismatch { left, right }));
            }
            Kind::New => return Ok(Head::Open(Open::New { target: self.restricted()? })),
            Kind::Fold => {
                let (iterable, iterator) = (self.iterable()?, self.scalar()?);
                return Ok(Head::Open(Open::Fold { iterable, iterator }));
            }
            Kind::Call => self.call()?,
            Kind::Ap => self.ap()?,
            Kind::CanonWord => self.canon()?,
            Kind::Next => Instruction::Next { iterator: self.scalar()? },
            Kind::Fail => Instruction::Fail(self.failure()?),
            Kind::Never => Instruction::Never,
            _ => Instruction::Null,
        };
        let right = self.token.right;
        self.expect(Kind::CloseRound)?;
        let span = Span::new(left, right);
        self.validator.leaf(&self.script, &instruction, span);
        Ok(Head::Leaf(self.push_node(instruction, span)?))
    }

    fn call(&mut self) -> Result<Instruction, Failure> {
        let peer = self.triplet_part(PEER)?;
        self.expect(Kind::OpenRound)?;
        let service = self.triplet_part(FUNCTION_NAME)?;
        let function = self.triplet_part(FUNCTION_NAME)?;
        self.expect(Kind::CloseRound)?;
        self.expect(Kind::OpenSquare)?;
        self.arguments.clear();
        while self.token.kind != Kind::CloseSquare {
            let argument = self.value(VALUE.with(&[Kind::CloseSquare]))?;
            self.arguments.push(argument);
            if self.arguments.len().is_multiple_of(ARGUMENTS_BETWEEN_LOOKS) {
                self.check_memory()?;
            }
        }
        self.advance();
        let arguments = self.script.push_operands(&self.arguments);
        let arguments = arguments.ok_or_else(|| self.overflow())?;
        self.arguments.clear();
        let output = match self.token.kind {
            Kind::CloseRound => None,
            _ => Some(self.output(OUTPUT.with(&[Kind::CloseRound]))?),
        };
        let call = Call { peer, service, function, arguments, output };
        self.script.push_call(call).map(Instruction::Call).ok_or_else(|| self.overflow())
    }

    fn ap(&mut self) -> Result<Instruction, Failure> {
        if self.token.kind != Kind::OpenRound {
            let argument = self.value(AP_ARGUMENT.with(&[Kind::OpenRound]))?;
            return Ok(Instruction::Ap { argument, target: self.output(OUTPUT)? });
        }
        self.advance();
        let key = self.map_key()?;
        let value = self.value(AP_ARGUMENT)?;
        self.expect(Kind::CloseRound)?;
        Ok(Instruction::ApMap { key, value, map: self.variable(Kind::StreamMap)? })
    }

    fn canon(&mut self) -> Result<Instruction, Failure> {
        let peer = self.triplet_part(PEER)?;
        match self.token.kind {
            Kind::Stream => {
                let stream = self.any_variable()?;
                Ok(Instruction::Canon { peer, stream, target: self.variable(Kind::Canon)? })
            }
            Kind::StreamMap => {
                let map = self.any_variable()?;
                match self.token.kind {
                    Kind::CanonMap => {
                        Ok(Instruction::CanonMap { peer, map, target: self.any_variable()? })
                    }
                    Kind::Scalar => {
                        Ok(Instruction::CanonMapScalar { peer, map, target: self.any_variable()? })
                    }
                    _ => Err(syntax(&[Kind::CanonMap, Kind::Scalar])),
                }
            }
            _ => Err(syntax(&[Kind::Stream, Kind::StreamMap])),
        }
    }

    fn failure(&mut self) -> Result<Fail, Failure> {
        Ok(match self.token.kind {
            Kind::Scalar => Fail::Scalar(self.any_variable()?),
            Kind::ScalarLens => Fail::ScalarLens(self.lensed()?),
            Kind::CanonLens => Fail::CanonLens(self.lensed()?),
            Kind::Integer => {
                let code = self.integer();
                self.advance();
                if self.token.kind != Kind::Literal {
                    return Err(syntax(&[Kind::Literal]));
                }
                Fail::Literal { code, message: self.literal()? }
            }
            Kind::LastError => self.skip_as(Fail::LastError),
            Kind::Error => self.skip_as(Fail::Error),
            _ => return Err(Failure::Syntax(FAILURE)),
        })
    }

    fn iterable(&mut self) -> Result<Iterable, Failure> {
        Ok(match self.token.kind {
            Kind::OpenSquare => {
                self.empty_array()?;
                Iterable::EmptyArray
            }
            Kind::Scalar => Iterable::Scalar(self.any_variable()?),
            Kind::ScalarLens => Iterable::ScalarLens(self.lensed()?),
            Kind::Canon => Iterable::Canon(self.any_variable()?),
            Kind::CanonMap => Iterable::CanonMap(self.any_variable()?),
            Kind::CanonMapLens => Iterable::CanonMapLens(self.lensed()?),
            Kind::Stream => Iterable::Stream(self.any_variable()?),
            Kind::StreamMap => Iterable::StreamMap(self.any_variable()?),
            _ => return Err(Failure::Syntax(ITERABLE)),
        })
    }

    fn restricted(&mut self) -> Result<Restricted, Failure> {
        Ok(match self.token.kind {
            Kind::Scalar => Restricted::Scalar(self.any_variable()?),
            Kind::Stream => Restricted::Stream(self.any_variable()?),
            Kind::StreamMap => Restricted::StreamMap(self.any_variable()?),
            Kind::Canon => Restricted::Canon(self.any_variable()?),
            Kind::CanonMap => Restricted::CanonMap(self.any_variable()?),
            _ => return Err(Failure::Syntax(RESTRICTED)),
        })
    }

    fn map_key(&mut self) -> Result<MapKey, Failure> {
        Ok(match self.token.kind {
            Kind::Literal => MapKey::Literal(self.literal()?),
            Kind::Integer => {
                let integer = self.integer();
                self.skip_as(MapKey::Integer(integer))
            }
            Kind::Scalar => MapKey::Scalar(self.any_variable()?),
            Kind::ScalarLens => MapKey::ScalarLens(self.lensed()?),
            Kind::CanonLens => MapKey::CanonLens(self.lensed()?),
            _ => return Err(Failure::Syntax(MAP_KEY)),
        })
    }

    /// A part of a triplet, if its kind is among the `expected`.
    #[inline]
    fn triplet_part(&mut self, expected: TokenSet) -> Result<TripletPart, Failure> {
        if !expected.contains(self.token.kind) {
            return Err(Failure::Syntax(expected));
        }
        Ok(match self.token.kind {
            Kind::Literal => TripletPart::Literal(self.literal()?),
            Kind::Scalar => TripletPart::Scalar(self.any_variable()?),
            Kind::ScalarLens => TripletPart::ScalarLens(self.lensed()?),
            Kind::CanonLens => TripletPart::CanonLens(self.lensed()?),
            Kind::CanonMapLens => TripletPart::CanonMapLens(self.lensed()?),
            _ => self.skip_as(TripletPart::InitPeerId),
        })
    }

    /// A value, if its kind is among the `expected`.
    #[inline]
    fn value(&mut self, expected: TokenSet) -> Result<Operand, Failure> {
        if !expected.contains(self.token.kind) {
            return Err(Failure::Syntax(expected));
        }
        Ok(match self.token.kind {
            Kind::InitPeerId => self.skip_as(Operand::InitPeerId),
            Kind::Timestamp => self.skip_as(Operand::Timestamp),
            Kind::Ttl => self.skip_as(Operand::Ttl),
            Kind::LastError => self.skip_as(Operand::LastError(None)),
            Kind::Error => self.skip_as(Operand::Error(None)),
            Kind::LastErrorLens => {
                let lens = self.lens()?;
                self.skip_as(Operand::LastError(Some(lens)))
            }
            Kind::ErrorLens => {
                let lens = self.lens()?;
                self.skip_as(Operand::Error(Some(lens)))
            }
            Kind::Literal => Operand::Literal(self.literal()?),
            Kind::Integer => {
                let integer = self.integer();
                self.skip_as(Operand::Integer(integer))
            }
            Kind::Float => {
                // The lexer has parsed it before: it is a number.
                let float = self.token_text().parse().unwrap_or(0.0);
                self.skip_as(Operand::Float(float))
            }
            Kind::Boolean => {
                let boolean = self.token_text() == "true";
                self.skip_as(Operand::Boolean(boolean))
            }
            Kind::Scalar => Operand::Scalar(self.any_variable()?),
            Kind::ScalarLens => Operand::ScalarLens(self.lensed()?),
            Kind::Canon => Operand::Canon(self.any_variable()?),
            Kind::CanonLens => Operand::CanonLens(self.lensed()?),
            Kind::CanonMap => Operand::CanonMap(self.any_variable()?),
            Kind::CanonMapLens => Operand::CanonMapLens(self.lensed()?),
            _ => {
                self.empty_array()?;
                Operand::EmptyArray
            }
        })
    }

    fn output(&mut self, expected: TokenSet) -> Result<Output, Failure> {
        Ok(match self.token.kind {
            Kind::Scalar => Output::Scalar(self.any_variable()?),
            Kind::Stream => Output::Stream(self.any_variable()?),
            _ => return Err(Failure::Syntax(expected)),
        })
    }

    fn scalar(&mut self) -> Result<Variable, Failure> {
        self.variable(Kind::Scalar)
    }

    fn variable(&mut self, kind: Kind) -> Result<Variable, Failure> {
        if self.token.kind != kind {
            return Err(syntax(&[kind]));
        }
        self.any_variable()
    }

    /// The variable of the current token, whatever its kind.
    #[inline]
    fn any_variable(&mut self) -> Result<Variable, Failure> {
        let variable = Variable { name: self.name()?, position: self.token.left };
        Ok(self.skip_as(variable))
    }

    /// The variable with a lens of the current token, whatever its kind.
    fn lensed(&mut self) -> Result<Lensed, Failure> {
        let (name, lens) = (self.name()?, self.lens()?);
        let position = self.token.left;
        Ok(self.skip_as(Lensed { name, position, lens }))
    }

    #[inline]
    fn literal(&mut self) -> Result<Text, Failure> {
        let content = self.slice(self.token.left + 1, self.token.right - 1);
        let text = self.script.text(content).ok_or_else(|| self.overflow())?;
        Ok(self.skip_as(text))
    }

    /// The name of the current token, without its lens.
    #[inline]
    fn name(&mut self) -> Result<Name, Failure> {
        let name = self.slice(self.token.left, self.token.lens);
        self.script.name(name).ok_or_else(|| self.overflow())
    }

    /// The lens of the current token.
    fn lens(&mut self) -> Result<LensId, Failure> {
        let mut accessors = core::mem::take(&mut self.accessors);
        accessors.clear();
        let parts = self.lexer.lens();
        for &part in parts {
            let accessor = match part {
                LensPart::Index(index) => Some(Accessor::Index(index)),
                LensPart::Field { left, right } => {
                    self.script.text(slice(self.text, left, right)).map(Accessor::Field)
                }
                LensPart::ByScalar { left, right } => {
                    self.script.name(slice(self.text, left, right)).map(Accessor::ByScalar)
                }
            };
            accessors.push(accessor.ok_or_else(|| self.overflow())?);
        }
        let lens = if accessors.is_empty() { Lens::Length } else { Lens::Path(&accessors) };
        let id = self.script.push_lens(lens).ok_or_else(|| self.overflow());
        self.accessors = accessors;
        id
    }

    fn integer(&self) -> i64 {
        // The lexer has parsed it before: it is a number.
        self.token_text().parse().unwrap_or(0)
    }

    fn empty_array(&mut self) -> Result<(), Failure> {
        self.expect(Kind::OpenSquare)?;
        self.expect(Kind::CloseSquare)
    }

    #[inline]
    fn expect(&mut self, kind: Kind) -> Result<(), Failure> {
        if self.token.kind != kind {
            return Err(syntax(&[kind]));
        }
        self.advance();
        Ok(())
    }

    /// Steps over the token that was understood as `value`.
    #[inline]
    fn skip_as<T>(&mut self, value: T) -> T {
        self.advance();
        value
    }

    fn token_text(&self) -> &str {
        self.slice(self.token.left, self.token.right)
    }

    fn slice(&self, left: u32, right: u32) -> &'a str {
        slice(self.text, left, right)
    }

    /// More names, literals or operands than 32 bits count: not possible within the size limit.
    fn overflow(&self) -> Failure {
        self.too_much(DiagnosticKind::ScriptTooLong { limit: MAX_SCRIPT_BYTES })
    }
}

fn slice(text: &str, left: u32, right: u32) -> &str {
    text.get(left as usize..right as usize).unwrap_or("")
}

fn syntax(expected: &[Kind]) -> Failure {
    Failure::Syntax(TokenSet::of(expected))
}
