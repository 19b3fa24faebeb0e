//! What a client sees when a program gives no reply.

use alloc::string::String;
use alloc::vec;

use super::Answer;
use super::reply::BadReply;
use crate::limits::RETRY_AFTER_SECONDS;

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The program ended with this error.
    Program(String),
    /// Its reply is not one of HTTP.
    Reply(BadReply),
    /// It ended without a reply.
    Silent,
    /// It took longer than its `resources.seconds`.
    TooSlow,
    /// Its code or its data cannot be had.
    Unavailable,
    /// It cannot be started.
    Start,
    /// There is no room for another run now.
    Busy,
    /// It does not answer HTTP requests (`on.http` is false), or there is no such program.
    NoProgram,
}

impl Failure {
    /// The status of the answer, and what is said for it.
    #[must_use]
    pub fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Program(_) => (500, "Error in VM execution"),
            Self::Reply(_) => (500, "Internal Server Error"),
            Self::Silent => (502, "VM did not respond and was shut down"),
            Self::TooSlow => (504, "Program did not respond within `resource.seconds`"),
            Self::Unavailable => (400, "Code, runtime or data not available"),
            Self::Start => (500, "Error during vm initialisation"),
            Self::Busy => (503, "Insufficient capacity"),
            Self::NoProgram => (404, "Program not found"),
        }
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let (status, words) = self.status();
        let error = |text: &str| {
            let mut body = String::from("{\"error\":");
            air_core::value::write_json_string(text, &mut body);
            body.push('}');
            body
        };
        let (kind, body) = match self {
            Self::Program(text) => ("text/plain; charset=utf-8", text.clone()),
            Self::Reply(bad) => ("application/json", error(&alloc::format!("{bad}"))),
            Self::TooSlow => ("application/json", error(words)),
            _ => ("text/plain; charset=utf-8", words.into()),
        };
        let mut headers = vec![("content-type".into(), kind.into())];
        if *self == Self::Busy {
            headers.push(("retry-after".into(), RETRY_AFTER_SECONDS.into()));
        }
        Answer { status, headers, body: body.into_bytes() }
    }
}
