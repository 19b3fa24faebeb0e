//! The one-line form of an instruction without its children (§9).
//!
//! It is visible to other peers: error objects carry it.

use alloc::string::{String, ToString};
use core::fmt::{self, Display, Write};

use crate::ast::{
    Accessor, Call, Failure, Instruction, Iterable, Lens, LensId, Lensed, MapKey, Name, NodeId,
    Operand, Output, Restricted, Script, Text, TripletPart, Variable,
};

/// The instruction of a node in one line, for example `call "p" ("s" "f") [x] y`.
pub fn instruction_text(script: &Script, id: NodeId) -> String {
    Show(script, *script.instruction(id), Form::Message).to_string()
}

/// A lens, for example `.$.[0].field` or `.length`.
pub fn lens_text(script: &Script, id: LensId) -> String {
    Show(script, id, Form::Message).to_string()
}

/// The line of a node in a form that parses to the same operands.
pub(super) fn source_line(script: &Script, id: NodeId) -> impl Display + '_ {
    Show(script, *script.instruction(id), Form::Source)
}

/// What the text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Messages: a float without a fraction looks like an integer (§9).
    Message,
    /// A script.
    Source,
}

/// The longest number with a dot that the lexer takes (§1.4).
const MAX_FLOAT_BYTES: usize = 11;

/// A part of a script together with the script that resolves its names.
struct Show<'a, T>(&'a Script, T, Form);

impl<'a, T> Show<'a, T> {
    /// Another part of the same script.
    fn with<U>(&self, part: U) -> Show<'a, U> {
        Show(self.0, part, self.2)
    }
}

impl Display for Show<'_, Name> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name(self.1))
    }
}

impl Display for Show<'_, Variable> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name(self.1.name))
    }
}

impl Display for Show<'_, Text> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.literal(self.1))
    }
}

impl Display for Show<'_, LensId> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accessors = match self.0.lens(self.1) {
            Lens::Length => return f.write_str(".length"),
            Lens::Path(accessors) => accessors,
        };
        f.write_str(".$")?;
        for accessor in accessors {
            match *accessor {
                Accessor::Index(index) => write!(f, ".[{index}]")?,
                Accessor::Field(field) => write!(f, ".{}", self.0.literal(field))?,
                Accessor::ByScalar(name) => write!(f, ".[{}]", self.with(name))?,
            }
        }
        Ok(())
    }
}

impl Display for Show<'_, Lensed> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.with(self.1.name), self.with(self.1.lens))
    }
}

impl Display for Show<'_, Operand> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keyword_with_lens = |f: &mut fmt::Formatter<'_>, keyword: &str, lens| {
            f.write_str(keyword)?;
            match lens {
                Some(lens) => self.with::<LensId>(lens).fmt(f),
                None => Ok(()),
            }
        };
        match self.1 {
            Operand::InitPeerId => f.write_str("%init_peer_id%"),
            Operand::Timestamp => f.write_str("%timestamp%"),
            Operand::Ttl => f.write_str("%ttl%"),
            Operand::LastError(lens) => keyword_with_lens(f, "%last_error%", lens),
            Operand::Error(lens) => keyword_with_lens(f, ":error:", lens),
            Operand::Literal(text) => self.with(text).fmt(f),
            Operand::Integer(integer) => integer.fmt(f),
            Operand::Float(float) => {
                let digits = float.to_string();
                f.write_str(&digits)?;
                match self.2 {
                    Form::Source if digits.contains('.') => Ok(()),
                    Form::Source if digits.len() + 2 > MAX_FLOAT_BYTES => f.write_char('.'),
                    Form::Source => f.write_str(".0"),
                    Form::Message => Ok(()),
                }
            }
            Operand::Boolean(boolean) => boolean.fmt(f),
            Operand::EmptyArray => f.write_str("[]"),
            Operand::Scalar(variable) | Operand::Canon(variable) | Operand::CanonMap(variable) => {
                self.with(variable).fmt(f)
            }
            Operand::ScalarLens(lensed)
            | Operand::CanonLens(lensed)
            | Operand::CanonMapLens(lensed) => self.with(lensed).fmt(f),
        }
    }
}

impl Display for Show<'_, TripletPart> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(Operand::from(self.1)).fmt(f)
    }
}

impl Display for Show<'_, MapKey> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(Operand::from(self.1)).fmt(f)
    }
}

impl Display for Show<'_, Iterable> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Iterable::EmptyArray => f.write_str("[]"),
            Iterable::Scalar(variable)
            | Iterable::Canon(variable)
            | Iterable::CanonMap(variable)
            | Iterable::Stream(variable)
            | Iterable::StreamMap(variable) => self.with(variable).fmt(f),
            Iterable::ScalarLens(lensed) | Iterable::CanonMapLens(lensed) => {
                self.with(lensed).fmt(f)
            }
        }
    }
}

impl Display for Show<'_, Output> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Output::Scalar(variable) | Output::Stream(variable) => self.with(variable).fmt(f),
        }
    }
}

impl Display for Show<'_, Restricted> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(self.1.variable()).fmt(f)
    }
}

impl Display for Show<'_, Failure> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Failure::Scalar(variable) => self.with(variable).fmt(f),
            Failure::ScalarLens(lensed) | Failure::CanonLens(lensed) => self.with(lensed).fmt(f),
            Failure::Literal { code, message } => write!(f, "{code} {}", self.with(message)),
            Failure::LastError => f.write_str("%last_error%"),
            Failure::Error => f.write_str(":error:"),
        }
    }
}

impl Display for Show<'_, Call> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { peer, service, function, arguments, output } = self.1;
        let (peer, service) = (self.with(peer), self.with(service));
        write!(f, "call {peer} ({service} {}) [", self.with(function))?;
        for (i, &argument) in self.0.operands(arguments).iter().enumerate() {
            if i > 0 {
                f.write_char(' ')?;
            }
            self.with(argument).fmt(f)?;
        }
        // The blank stays without an output: peers compare this text.
        f.write_str("] ")?;
        output.map_or(Ok(()), |output| self.with(output).fmt(f))
    }
}

impl Display for Show<'_, Instruction> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Instruction::Call(call) => self.with(*self.0.call(call)).fmt(f),
            Instruction::Ap { argument, target } => {
                write!(f, "ap {} {}", self.with(argument), self.with(target))
            }
            Instruction::ApMap { key, value, map } => {
                write!(f, "ap ({} {}) {}", self.with(key), self.with(value), self.with(map))
            }
            Instruction::Canon { peer, stream: source, target }
            | Instruction::CanonMap { peer, map: source, target }
            | Instruction::CanonMapScalar { peer, map: source, target } => {
                let (peer, source) = (self.with(peer), self.with(source));
                write!(f, "canon {peer} {source} {}", self.with(target))
            }
            Instruction::Seq(..) => f.write_str("seq"),
            Instruction::Par(..) => f.write_str("par"),
            Instruction::Xor(..) => f.write_str("xor"),
            Instruction::Match { left, right, .. } => {
                write!(f, "match {} {}", self.with(left), self.with(right))
            }
            Instruction::Mismatch { left, right, .. } => {
                write!(f, "mismatch {} {}", self.with(left), self.with(right))
            }
            Instruction::Fold { iterable, iterator, .. } => {
                write!(f, "fold {} {}", self.with(iterable), self.with(iterator))
            }
            Instruction::Next { iterator } => write!(f, "next {}", self.with(iterator)),
            Instruction::New { target, .. } => write!(f, "new {}", self.with(target)),
            Instruction::Fail(failure) => write!(f, "fail {}", self.with(failure)),
            Instruction::Never => f.write_str("never"),
            Instruction::Null => f.write_str("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of the innermost instruction of a chain of `new`s.
    fn shown(instruction: &str) -> String {
        let names = ["x", "p", "#cc", "#$c", "#%m", "$s", "%m"];
        let opened: String = names.iter().map(|name| alloc::format!("(new {name} ")).collect();
        let text = opened + instruction + &")".repeat(names.len());
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{}", error.render()));
        let mut id = script.root();
        for _ in names {
            id = script.instruction(id).children().next().expect("a body");
        }
        instruction_text(&script, id)
    }

    #[test]
    fn lines_are_those_of_the_specification() {
        for (instruction, line) in [
            (
                r#"(call  "p" ("s" "f")["a" x.$[0]] $out)"#,
                r#"call "p" ("s" "f") ["a" x.$.[0]] $out"#,
            ),
            (r#"(call p ("s" "f") [])"#, r#"call p ("s" "f") [] "#),
            (r#"(canon "p" $s #$d)"#, r#"canon "p" $s #$d"#),
            ("(canon %init_peer_id% %m y)", "canon %init_peer_id% %m y"),
            ("(ap x.$.a! $s)", "ap x.$.a $s"),
            (r#"(ap ("k" 1) %m)"#, r#"ap ("k" 1) %m"#),
            ("(seq (null) (null))", "seq"),
            ("(par (null) (null))", "par"),
            ("(xor (null) (null))", "xor"),
            ("(null)", "null"),
            ("(never)", "never"),
            (r#"(match 1 "x" (null))"#, r#"match 1 "x""#),
            ("(mismatch 1.0 -0.0 (null))", "mismatch 1 -0"),
            ("(match 1.5 true (null))", "match 1.5 true"),
            ("(fold $s i (next i))", "fold $s i"),
            ("(fold [ ] i (null))", "fold [] i"),
            ("(new $t (null))", "new $t"),
            ("(fail x)", "fail x"),
            ("(fail x.$.a)", "fail x.$.a"),
            (r#"(fail 1 "m")"#, r#"fail 1 "m""#),
            ("(fail %last_error%)", "fail %last_error%"),
            ("(fail :error:)", "fail :error:"),
            ("(fail #cc.$.[0])", "fail #cc.$.[0]"),
            ("(ap #$c.length y)", "ap #$c.length y"),
            ("(ap %last_error%.$.a[x] y)", "ap %last_error%.$.a.[x] y"),
            ("(ap :error:.length y)", "ap :error:.length y"),
            ("(match %timestamp% %ttl% (null))", "match %timestamp% %ttl%"),
        ] {
            assert_eq!(shown(instruction), line);
        }
    }
}
