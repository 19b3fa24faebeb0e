//! What went wrong with a request, for people and for programs.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use air_core::parser::ParseError;
use air_core::text::line_column;
use air_core::{Script, Value};

use super::json::ObjectWriter;
use super::{QueryError, diagnostic};
use crate::metrics::Outcome;
use crate::particle::{Budget, Fault, Report};
use crate::service::write_json_excerpt;

/// Code of a script that does not parse, the interpreter's own.
const PARSE_ERROR: i64 = 1;

// The node's own codes are above those of the interpreter.

/// The request is not one that the node understands.
const BAD_REQUEST: i64 = 50_000;
/// There are too many particles already.
const OVERLOADED: i64 = 50_001;
/// The deadline came before an answer.
const EXPIRED: i64 = 50_002;
/// The particle used up something that is bounded.
const EXHAUSTED: i64 = 50_003;
/// The script needs peers that the node cannot reach.
const UNREACHABLE: i64 = 50_004;

/// An answer that is an error: an HTTP status, and an object with what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    code: i64,
    message: String,
    outcome: Outcome,
    details: Box<Details>,
}

/// What is known of some problems only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Details {
    instruction: Option<String>,
    peer_id: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    diagnostic: Option<String>,
}

impl Problem {
    fn new(status: u16, code: i64, message: impl Into<String>, outcome: Outcome) -> Self {
        Self { status, code, message: message.into(), outcome, details: Box::default() }
    }

    /// The request's body or query cannot be read.
    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(400, BAD_REQUEST, message, Outcome::Invalid)
    }

    /// The request's body is of a type that is no script.
    pub(super) fn unsupported_type() -> Self {
        let message = "the body must be an AIR script, as text/plain or without a type";
        Self::new(415, BAD_REQUEST, message, Outcome::Invalid)
    }

    /// The request's query cannot be read.
    pub(super) fn query(error: &QueryError) -> Self {
        Self::bad_request(&error.to_string())
    }

    /// The script is longer than it may be.
    pub(super) fn script_too_long(limit: usize) -> Self {
        let message = format!("the script is longer than the limit of {limit} bytes");
        Self::new(413, BAD_REQUEST, message, Outcome::Invalid)
    }

    /// There are too many particles already.
    pub(super) fn overloaded() -> Self {
        Self::new(
            503,
            OVERLOADED,
            "the node is busy: too many particles are running, or memory is short",
            Outcome::Refused,
        )
    }

    /// The script does not parse.
    pub(super) fn parse(error: &ParseError) -> Self {
        let mut problem = Self::new(400, PARSE_ERROR, error.to_string(), Outcome::Invalid);
        if let Some(first) = error.first() {
            let at = error.line_column(first.span.left);
            problem.message = first.message();
            (problem.details.line, problem.details.column) = (Some(at.line), Some(at.column));
        }
        problem.details.diagnostic = Some(error.render());
        problem
    }

    /// The script ended with an error that it did not catch.
    pub(super) fn fault(fault: &Fault, script: &Script, peer_id: &Arc<str>) -> Self {
        let mut problem = Self::new(422, fault.code, fault.message.as_str(), Outcome::Failed);
        problem.details.peer_id = Some(peer_id.to_string());
        if let Some(span) = fault.span {
            let at = line_column(script.text(), span.left);
            (problem.details.line, problem.details.column) = (Some(at.line), Some(at.column));
            problem.details.instruction = diagnostic::instruction(script.text(), span);
            problem.details.diagnostic =
                Some(diagnostic::render(script.text(), span, &fault.message));
        }
        problem
    }

    /// The script caught an error and gave it to its author.
    pub(super) fn reported(error: &Value) -> Self {
        let field = |name| error.as_object().and_then(|object| object.get(name));
        let text = |name| field(name).and_then(Value::as_str).map(ToString::to_string);
        let code = field("error_code").and_then(Value::as_number).and_then(|code| code.as_i64());
        let message = text("message").unwrap_or_else(|| write_json_excerpt(error));
        let mut problem = Self::new(422, code.unwrap_or(0), message, Outcome::Failed);
        problem.details.instruction = text("instruction");
        problem.details.peer_id = text("peer_id");
        problem
    }

    /// The deadline came before an answer.
    pub(super) fn expired(ttl_ms: u32, report: &Report) -> Self {
        let mut message = format!("no answer within {ttl_ms} ms");
        if let Some(fault) = &report.fault {
            message = format!("{message}; the last error was {}: {}", fault.code, fault.message);
        }
        Self::new(504, EXPIRED, message, Outcome::Expired)
    }

    /// The particle used up something that is bounded.
    pub(super) fn exhausted(budget: Budget) -> Self {
        // Want of memory is the machine's state, not the script's fault: another time it may go well.
        let status = if budget == Budget::Memory { 503 } else { 422 };
        Self::new(status, EXHAUSTED, budget.to_string(), Outcome::Exhausted)
    }

    /// The script's response would be longer than an answer may be.
    pub(super) fn response_too_long(limit: usize) -> Self {
        let message = format!("the response is longer than the limit of {limit} bytes");
        Self::new(422, EXHAUSTED, message, Outcome::Exhausted)
    }

    /// The script ended here and would go on at peers that the node cannot reach.
    pub(super) fn unreachable(peers: &[Arc<str>]) -> Self {
        let mut message = String::from("no answer: the script needs peers that cannot be reached:");
        for peer in peers {
            // A peer is named by the script: only so much of a name is repeated.
            let short: String = peer.chars().take(64).collect();
            message.push(' ');
            message.push_str(&short);
        }
        Self::new(504, UNREACHABLE, message, Outcome::Expired)
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// How the particle counts.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The body of the answer: `{"error":{…}}`, with the fields that are known.
    #[must_use]
    pub fn to_json(&self) -> String {
        let details = &self.details;
        let error = ObjectWriter::new()
            .json("code", self.code)
            .text("message", &self.message)
            .optional_text("instruction", details.instruction.as_deref())
            .optional_text("peer_id", details.peer_id.as_deref())
            .optional_json("line", details.line)
            .optional_json("column", details.column)
            .optional_text("diagnostic", details.diagnostic.as_deref())
            .finish();
        ObjectWriter::new().json("error", error).finish()
    }
}
