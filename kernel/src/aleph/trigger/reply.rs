//! From the program's reply to the HTTP answer.
//!
//! | reply | answer |
//! |---|---|
//! | `{"status": 201, "headers": [["name", "value"]], "body": …}`; `headers` may be an object, and may be missing, as may `body` | as it says |
//! | `{"headers": {"headers": [[…]], "status": 200}, "body": {"body": …}}`: the form of the host protocol | as it says |
//! | a text | 200, `text/plain` |
//! | `{"base64": "…"}` | 200, `application/octet-stream` |
//! | any other JSON | 200, `application/json` |
//!
//! A reply in the form of the host protocol has the header fields that it says and no others. To others
//! `content-type` is added where it is missing.
//!
//! In a body a text stands for its bytes, `{"base64": "…"}` for others, and any other value for its JSON.
//! What happens to the answer on its way is what the network's nodes do: names of fields in small letters;
//! `content-encoding`, `transfer-encoding`, `vary`, `server` and `content-length` are left out (the last is
//! the server's to say); `aleph-program-itemhash` and `aleph-program-code-ref` are added; the body of a 404
//! becomes `{"error": "BODY"}`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use air_core::value::{Object, Value};

use super::body::{Body, bytes_of};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::MAX_TRIGGER_HEADERS;

/// Fields that are not the program's to say.
const NOT_PASSED: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "server",
    "transfer-encoding",
    "vary",
];
const CONTENT_TYPE: &str = "content-type";

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// Names in small letters, in the order of the reply; values without line breaks.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// What is wrong with a reply; the client sees status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReply {
    /// The status is no number from 200 to 599.
    Status,
    /// The header fields are not pairs of texts, or there are too many.
    Headers,
    /// A name or a value of a header field has a character that it cannot have.
    Field,
    /// A body says that it is base64 and is not, or is missing where the form needs one.
    Body,
    /// The body of a 404 is not text.
    NotFoundBody,
}

impl fmt::Display for BadReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "the status of the reply is not a number from 200 to 599",
            Self::Headers => "the headers of the reply are not pairs of texts, or too many",
            Self::Field => "a header field of the reply has a character that it cannot have",
            Self::Body => "the body of the reply is not what it says it is",
            Self::NotFoundBody => "the body of a reply with status 404 is not text",
        })
    }
}

impl core::error::Error for BadReply {}

/// The answer that a reply of `program` stands for; `code` is the message that brought its code.
///
/// # Errors
/// [`BadReply`].
pub fn answer(
    reply: &Value,
    program: &ItemHash,
    code: Option<&ItemHash>,
) -> Result<Answer, BadReply> {
    with_network_treatment(plain_answer(reply)?, program, code)
}

/// The answer as the program means it, before anything happens to it on its way.
///
/// # Errors
/// [`BadReply`].
pub fn plain_answer(reply: &Value) -> Result<Answer, BadReply> {
    match reply.as_object() {
        Some(members) if is_host_form(members) => {
            let head =
                members.get("headers").and_then(Value::as_object).ok_or(BadReply::Headers)?;
            let body = members.get("body").and_then(Value::as_object).ok_or(BadReply::Body)?;
            explicit(head, Some(body.get("body").ok_or(BadReply::Body)?), false)
        }
        Some(members) if members.get("status").is_some() => {
            explicit(members, members.get("body"), true)
        }
        _ => implicit(reply),
    }
}

/// What the network's nodes make of an answer, of `program` with the code of `code`.
///
/// # Errors
/// [`BadReply::NotFoundBody`].
pub fn with_network_treatment(
    mut answer: Answer,
    program: &ItemHash,
    code: Option<&ItemHash>,
) -> Result<Answer, BadReply> {
    if answer.status == 404 {
        let text = core::str::from_utf8(&answer.body).map_err(|_| BadReply::NotFoundBody)?;
        let members = alloc::vec![(Arc::from("error"), Value::from(text))];
        answer.body = Value::object(members).unwrap_or_default().to_json().into_bytes();
        answer.headers.retain(|(name, _)| name != CONTENT_TYPE);
        answer.headers.push((CONTENT_TYPE.into(), "application/json".into()));
    }
    answer.headers.push(("aleph-program-itemhash".into(), program.as_str().into()));
    if let Some(code) = code {
        answer.headers.push(("aleph-program-code-ref".into(), code.as_str().into()));
    }
    Ok(answer)
}

fn is_host_form(members: &Object) -> bool {
    let head = members.get("headers").and_then(Value::as_object);
    head.is_some_and(|head| head.get("status").is_some()) && members.get("status").is_none()
}

/// A reply that says its status; `add_kind`: and that need not say what its body is.
fn explicit(head: &Object, body: Option<&Value>, add_kind: bool) -> Result<Answer, BadReply> {
    let status = head.get("status").and_then(Value::as_number).and_then(|number| number.as_u64());
    let status = status.filter(|status| (200..600).contains(status)).ok_or(BadReply::Status)?;
    let status = u16::try_from(status).map_err(|_| BadReply::Status)?;
    let mut headers = Vec::new();
    for (name, value) in pairs(head.get("headers"))? {
        let name = name.to_ascii_lowercase();
        if !is_field(&name, value) {
            return Err(BadReply::Field);
        }
        if !NOT_PASSED.contains(&&*name) {
            headers.push((name, value.into()));
        }
    }
    let (body, kind) = match bytes_of(body.unwrap_or(&Value::Null)).ok_or(BadReply::Body)? {
        Body::Text(bytes) => (bytes, "text/plain; charset=utf-8"),
        Body::Bytes(bytes) => (bytes, "application/octet-stream"),
        Body::Json(json) => (json.into_bytes(), "application/json"),
    };
    if add_kind && !body.is_empty() && headers.iter().all(|(name, _)| name != CONTENT_TYPE) {
        headers.push((CONTENT_TYPE.into(), kind.into()));
    }
    Ok(Answer { status, headers, body })
}

/// A reply that is nothing but its body.
fn implicit(reply: &Value) -> Result<Answer, BadReply> {
    let (body, kind) = match reply {
        Value::Null => (b"null".to_vec(), "application/json"),
        reply => match bytes_of(reply).ok_or(BadReply::Body)? {
            Body::Text(bytes) => (bytes, "text/plain; charset=utf-8"),
            Body::Bytes(bytes) => (bytes, "application/octet-stream"),
            Body::Json(json) => (json.into_bytes(), "application/json"),
        },
    };
    Ok(Answer { status: 200, headers: alloc::vec![(CONTENT_TYPE.into(), kind.into())], body })
}

/// Header fields as a list of pairs, or as an object.
fn pairs(headers: Option<&Value>) -> Result<Vec<(&str, &str)>, BadReply> {
    let pairs = match headers {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) if list.len() <= MAX_TRIGGER_HEADERS => {
            list.iter().map(text_pair).collect()
        }
        Some(Value::Object(members)) if members.len() <= MAX_TRIGGER_HEADERS => {
            members.iter().map(|(name, value)| Some((&**name, value.as_str()?))).collect()
        }
        Some(_) => None,
    };
    pairs.ok_or(BadReply::Headers)
}

fn text_pair(field: &Value) -> Option<(&str, &str)> {
    let [name, value] = field.as_array()? else { return None };
    Some((name.as_str()?, value.as_str()?))
}

/// Whether these are a name (RFC 9110, section 5.1) and a value (section 5.5) of a field.
fn is_field(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_token)
        && value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}
