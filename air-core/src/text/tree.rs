//! The tree of a script as JSON, in the shape of the reference's own dump.
//!
//! For comparison of parsers and for tools that read trees; the interpreter does not use it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::ast::{
    Accessor, Call, Failure, Instruction, Iterable, Lens, LensId, Lensed, MapKey, NodeId, Operand,
    Output, Restricted, Script, Text, TripletPart, Variable,
};

/// The tree in compact JSON.
pub fn tree_json(script: &Script) -> String {
    let mut out = String::new();
    let mut work = Vec::from([Work::Node(script.root())]);
    let dump = Dump { script };
    while let Some(item) = work.pop() {
        match item {
            Work::Text(text) => out.push_str(text),
            Work::Span(id) => {
                let span = script.span(id);
                out.push_str(&format!(
                    r#","span":{{"left":{},"right":{}}}}}}}"#,
                    span.left, span.right
                ));
            }
            Work::Node(id) => {
                let (head, tail) = dump.instruction(script.instruction(id));
                out.push_str(&head);
                work.extend(tail.into_iter().flatten().rev().map(|part| match part {
                    Part::Text(text) => Work::Text(text),
                    Part::Node(child) => Work::Node(child),
                    Part::Span => Work::Span(id),
                }));
            }
        }
    }
    out
}

/// What remains to be written.
enum Work {
    Text(&'static str),
    Node(NodeId),
    Span(NodeId),
}

/// What follows the beginning of an instruction.
enum Part {
    Text(&'static str),
    Node(NodeId),
    Span,
}

type Tail = [Option<Part>; 4];

const NO_TAIL: Tail = [None, None, None, None];

struct Dump<'a> {
    script: &'a Script,
}

impl Dump<'_> {
    fn instruction(&self, instruction: &Instruction) -> (String, Tail) {
        match *instruction {
            Instruction::Call(call) => (self.call(*self.script.call(call)), NO_TAIL),
            Instruction::Ap { argument, target } => {
                let (argument, target) = (self.ap_argument(argument), self.output(target));
                (format!(r#"{{"Ap":{{"argument":{argument},"result":{target}}}}}"#), NO_TAIL)
            }
            Instruction::ApMap { key, value, map } => {
                let (key, value) = (self.map_key(key), self.ap_argument(value));
                let map = self.variable(map);
                (format!(r#"{{"ApMap":{{"key":{key},"value":{value},"map":{map}}}}}"#), NO_TAIL)
            }
            Instruction::Canon { peer, stream, target } => {
                (self.canon(peer, "Canon", ("stream", stream), ("canon_stream", target)), NO_TAIL)
            }
            Instruction::CanonMap { peer, map, target } => {
                let (map, target) = (("stream_map", map), ("canon_stream_map", target));
                (self.canon(peer, "CanonMap", map, target), NO_TAIL)
            }
            Instruction::CanonMapScalar { peer, map, target } => {
                let (map, target) = (("stream_map", map), ("scalar", target));
                (self.canon(peer, "CanonStreamMapScalar", map, target), NO_TAIL)
            }
            Instruction::Seq(left, right) => pair("Seq", left, right),
            Instruction::Par(left, right) => pair("Par", left, right),
            Instruction::Xor(left, right) => pair("Xor", left, right),
            Instruction::Match { left, right, body } => self.comparison("Match", left, right, body),
            Instruction::Mismatch { left, right, body } => {
                self.comparison("MisMatch", left, right, body)
            }
            Instruction::Fold { iterable, iterator, body, last } => {
                let (name, iterable) = self.iterable(iterable);
                let iterator = self.variable(iterator);
                let head = format!(
                    r#"{{"{name}":{{"iterable":{iterable},"iterator":{iterator},"instruction":"#
                );
                let last = last.map_or(Part::Text("null"), Part::Node);
                let label = Part::Text(r#","last_instruction":"#);
                (head, [Some(Part::Node(body)), Some(label), Some(last), Some(Part::Span)])
            }
            Instruction::Next { iterator } => {
                (format!(r#"{{"Next":{{"iterator":{}}}}}"#, self.variable(iterator)), NO_TAIL)
            }
            Instruction::New { target, body } => {
                let (kind, variable) = match target {
                    Restricted::Scalar(variable) => ("Scalar", variable),
                    Restricted::Stream(variable) => ("Stream", variable),
                    Restricted::StreamMap(variable) => ("StreamMap", variable),
                    Restricted::Canon(variable) => ("CanonStream", variable),
                    Restricted::CanonMap(variable) => ("CanonStreamMap", variable),
                };
                let argument = tagged(kind, &self.variable(variable));
                let head = format!(r#"{{"New":{{"argument":{argument},"instruction":"#);
                (head, [Some(Part::Node(body)), Some(Part::Span), None, None])
            }
            Instruction::Fail(failure) => (tagged("Fail", &self.failure(failure)), NO_TAIL),
            Instruction::Never => (tagged("Never", "null"), NO_TAIL),
            Instruction::Null => (tagged("Null", "null"), NO_TAIL),
        }
    }

    fn call(&self, Call { peer, service, function, arguments, output }: Call) -> String {
        let arguments = self.script.operands(arguments).iter();
        let arguments: Vec<_> = arguments.map(|&argument| self.operand(argument)).collect();
        format!(
            r#"{{"Call":{{"triplet":{{"peer_id":{},"service_id":{},"function_name":{}}},"args":[{}],"output":{}}}}}"#,
            self.triplet_part(peer),
            self.triplet_part(service),
            self.triplet_part(function),
            arguments.join(","),
            output.map_or_else(|| quoted("None"), |output| self.output(output)),
        )
    }

    fn canon(
        &self,
        peer: TripletPart,
        name: &str,
        (source_label, source): (&str, Variable),
        (target_label, target): (&str, Variable),
    ) -> String {
        format!(
            r#"{{"{name}":{{"peer_id":{},"{source_label}":{},"{target_label}":{}}}}}"#,
            self.triplet_part(peer),
            self.variable(source),
            self.variable(target),
        )
    }

    fn comparison(
        &self,
        name: &str,
        left: Operand,
        right: Operand,
        body: NodeId,
    ) -> (String, Tail) {
        let (left, right) = (self.operand(left), self.operand(right));
        let head =
            format!(r#"{{"{name}":{{"left_value":{left},"right_value":{right},"instruction":"#);
        (head, [Some(Part::Node(body)), Some(Part::Text("}}")), None, None])
    }

    /// A value where any variable is allowed.
    fn operand(&self, operand: Operand) -> String {
        let value = self.ap_argument(operand);
        match operand {
            Operand::Scalar(_) | Operand::Canon(_) | Operand::CanonMap(_) => {
                tagged("Variable", &value)
            }
            Operand::ScalarLens(lensed) => self.variable_with_lens("Scalar", lensed),
            Operand::CanonLens(lensed) => self.variable_with_lens("CanonStream", lensed),
            Operand::CanonMapLens(lensed) => self.variable_with_lens("CanonStreamMap", lensed),
            _ => value,
        }
    }

    fn variable_with_lens(&self, kind: &str, lensed: Lensed) -> String {
        tagged("VariableWithLambda", &tagged(kind, &self.lensed(lensed)))
    }

    fn ap_argument(&self, operand: Operand) -> String {
        match operand {
            Operand::InitPeerId => quoted("InitPeerId"),
            Operand::Timestamp => quoted("Timestamp"),
            Operand::Ttl => quoted("TTL"),
            Operand::LastError(lens) => tagged("LastError", &self.optional_lens(lens)),
            Operand::Error(lens) => {
                tagged("Error", &format!(r#"{{"lens":{}}}"#, self.optional_lens(lens)))
            }
            Operand::Literal(text) => self.literal(text),
            Operand::Integer(integer) => tagged("Number", &tagged("Int", &format!("{integer}"))),
            Operand::Float(float) => tagged("Number", &tagged("Float", &format!("{float:?}"))),
            Operand::Boolean(boolean) => tagged("Boolean", if boolean { "true" } else { "false" }),
            Operand::EmptyArray => quoted("EmptyArray"),
            Operand::Scalar(variable) => tagged("Scalar", &self.variable(variable)),
            Operand::ScalarLens(lensed) => tagged("ScalarWithLambda", &self.lensed(lensed)),
            Operand::Canon(variable) => tagged("CanonStream", &self.variable(variable)),
            Operand::CanonLens(lensed) => tagged("CanonStreamWithLambda", &self.lensed(lensed)),
            Operand::CanonMap(variable) => tagged("CanonStreamMap", &self.variable(variable)),
            Operand::CanonMapLens(lensed) => {
                tagged("CanonStreamMapWithLambda", &self.lensed(lensed))
            }
        }
    }

    fn triplet_part(&self, part: TripletPart) -> String {
        self.ap_argument(part.into())
    }

    fn map_key(&self, key: MapKey) -> String {
        match key {
            MapKey::Integer(integer) => tagged("Int", &format!("{integer}")),
            key => self.ap_argument(key.into()),
        }
    }

    fn iterable(&self, iterable: Iterable) -> (&'static str, String) {
        let operand = match iterable {
            Iterable::Stream(variable) => return ("FoldStream", self.variable(variable)),
            Iterable::StreamMap(variable) => return ("FoldStreamMap", self.variable(variable)),
            Iterable::EmptyArray => Operand::EmptyArray,
            Iterable::Scalar(variable) => Operand::Scalar(variable),
            Iterable::ScalarLens(lensed) => Operand::ScalarLens(lensed),
            Iterable::Canon(variable) => Operand::Canon(variable),
            Iterable::CanonMap(variable) => Operand::CanonMap(variable),
            Iterable::CanonMapLens(lensed) => Operand::CanonMapLens(lensed),
        };
        ("FoldScalar", self.ap_argument(operand))
    }

    fn output(&self, output: Output) -> String {
        match output {
            Output::Scalar(variable) => tagged("Scalar", &self.variable(variable)),
            Output::Stream(variable) => tagged("Stream", &self.variable(variable)),
        }
    }

    fn failure(&self, failure: Failure) -> String {
        match failure {
            Failure::Scalar(variable) => self.ap_argument(Operand::Scalar(variable)),
            Failure::ScalarLens(lensed) => self.ap_argument(Operand::ScalarLens(lensed)),
            Failure::CanonLens(lensed) => self.ap_argument(Operand::CanonLens(lensed)),
            Failure::Literal { code, message } => {
                let message = quoted(self.script.literal(message));
                tagged("Literal", &format!(r#"{{"ret_code":{code},"error_message":{message}}}"#))
            }
            Failure::LastError => quoted("LastError"),
            Failure::Error => quoted("Error"),
        }
    }

    fn literal(&self, text: Text) -> String {
        tagged("Literal", &quoted(self.script.literal(text)))
    }

    fn variable(&self, variable: Variable) -> String {
        let name = quoted(self.script.name(variable.name));
        format!(r#"{{"name":{name},"position":{}}}"#, variable.position)
    }

    fn lensed(&self, lensed: Lensed) -> String {
        let name = quoted(self.script.name(lensed.name));
        let lens = self.lens(lensed.lens);
        format!(r#"{{"name":{name},"lambda":{lens},"position":{}}}"#, lensed.position)
    }

    fn optional_lens(&self, lens: Option<LensId>) -> String {
        lens.map_or_else(|| String::from("null"), |lens| self.lens(lens))
    }

    fn lens(&self, lens: LensId) -> String {
        let accessors = match self.script.lens(lens) {
            Lens::Length => return tagged("Functor", &quoted("Length")),
            Lens::Path(accessors) => accessors,
        };
        let accessors = accessors.iter().map(|accessor| match *accessor {
            Accessor::Index(index) => format!(r#"{{"ArrayAccess":{{"idx":{index}}}}}"#),
            Accessor::Field(field) => {
                let field = quoted(self.script.literal(field));
                format!(r#"{{"FieldAccessByName":{{"field_name":{field}}}}}"#)
            }
            Accessor::ByScalar(name) => {
                let name = quoted(self.script.name(name));
                format!(r#"{{"FieldAccessByScalar":{{"scalar_name":{name}}}}}"#)
            }
        });
        tagged("ValuePath", &format!("[{}]", accessors.collect::<Vec<_>>().join(",")))
    }
}

fn pair(name: &str, left: NodeId, right: NodeId) -> (String, Tail) {
    let head = format!(r#"{{"{name}":["#);
    let parts = [Part::Node(left), Part::Text(","), Part::Node(right), Part::Text("]}")];
    (head, parts.map(Some))
}

/// An object with one member.
fn tagged(tag: &str, value: &str) -> String {
    format!(r#"{{"{tag}":{value}}}"#)
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
