//! Runs: what the host asks a guest to do, and what the guest replies.

use alloc::vec::Vec;

use air_core::value::Value;

use super::PackError;
use super::pack::{Pack, Writer};
use crate::aleph::trigger::Answer;

/// What a connection from the host is about, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A run, in MessagePack.
    Run,
    /// The four bytes `halt`.
    Halt,
    /// A shell command, or nothing known: the connection is to be closed.
    Unknown,
}

impl Kind {
    /// What this first byte begins.
    #[must_use]
    pub fn of(first: u8) -> Self {
        match first {
            0x81 => Self::Run,
            b'h' => Self::Halt,
            _ => Self::Unknown,
        }
    }
}

/// What a program is to run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run<'a> {
    /// An HTTP request; path and query are percent-decoded.
    Http {
        /// Begins with `/`.
        path: &'a str,
        /// As sent.
        method: &'a str,
        /// What stood behind the question mark.
        query: &'a str,
        /// Names in small letters, values raw.
        headers: Vec<(&'a [u8], &'a [u8])>,
        /// All of it.
        body: &'a [u8],
    },
    /// A message, as JSON text; hosts can send none.
    Event(Option<&'a str>),
}

impl<'a> Run<'a> {
    /// Reads a run.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PackError> {
        let pack = Pack::decode(bytes)?;
        let scope = pack.member("scope");
        match scope.text("type")? {
            "http" => Ok(Self::Http {
                path: scope.text("path")?,
                method: scope.text("method")?,
                query: scope.text("query_string")?,
                headers: scope.items("headers")?.iter().map(header).collect::<Result<_, _>>()?,
                body: scope.optional_bytes("body")?.unwrap_or_default(),
            }),
            "aleph.message" => Ok(Self::Event(scope.optional_text("body")?)),
            _ => Err(PackError::Member("type")),
        }
    }

    /// Writes a run as the network's hosts do.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.map(1).text("scope");
        match self {
            Self::Http { path, method, query, headers, body } => {
                out.map(6).text("type").text("http");
                out.text("path").text(path);
                out.text("method").text(method);
                out.text("query_string").text(query);
                out.text("headers").array(headers.len());
                for (name, value) in headers {
                    out.array(2).bytes(name).bytes(value);
                }
                out.text("body").bytes(body);
            }
            Self::Event(body) => {
                out.map(2).text("type").text("aleph.message").text("body").optional_text(*body);
            }
        }
        out.0
    }
}

fn header<'a>(pair: &Pack<'a>) -> Result<(&'a [u8], &'a [u8]), PackError> {
    match pair {
        Pack::Array(pair) => match &**pair {
            [Pack::Bytes(name), Pack::Bytes(value)] => Ok((name, value)),
            _ => Err(PackError::Member("headers")),
        },
        _ => Err(PackError::Member("headers")),
    }
}

/// The reply to an HTTP request.
#[must_use]
pub fn http_reply(answer: &Answer) -> Vec<u8> {
    let mut out = Writer::default();
    out.map(4).text("headers").map(2);
    out.text("headers").array(answer.headers.len());
    for (name, value) in &answer.headers {
        out.array(2).bytes(name.as_bytes()).bytes(value.as_bytes());
    }
    out.text("status").number(answer.status);
    out.text("body").map(1).text("body").bytes(&answer.body);
    out.text("output").text("").text("output_data").nil();
    out.0
}

/// The reply to a message: what the program gave if that is an object, else one whose member `body` is it.
/// The host only looks whether there is one.
#[must_use]
pub fn event_reply(given: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    out.map(4).text("headers").map(0).text("body");
    if given.as_object().is_none() {
        out.map(1).text("body");
    }
    out.value(given);
    out.text("output").text("").text("output_data").nil();
    out.0
}

/// Says that the program failed; clients see the traceback.
#[must_use]
pub fn error_reply(error: &str, traceback: &str) -> Vec<u8> {
    let mut out = Writer::default();
    out.map(3).text("error").text(error).text("traceback").text(traceback);
    out.text("output").nil();
    out.0
}
