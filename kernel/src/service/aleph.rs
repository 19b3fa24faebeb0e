//! `aleph`: the network's API, for programs with `environment.aleph_api`.
//!
//! | function | arguments | asks | gives |
//! |---|---|---|---|
//! | `request` | method, path with its query, content | that | `{"status": 200, "body": …}`, as text or `{"base64": "…"}` |
//! | `get` | path, with its query | `GET` of it | the answer |
//! | `properties` | | who signs for the program | the answer |
//! | `sign` | a message without signature | that it be signed | the answer |
//! | `cache_get` | key | the program's cache | the value as text or `{"base64": "…"}`, or `null` |
//! | `cache_put` | key, content | the same | nothing |
//! | `cache_delete` | key | the same | whether it was there |
//! | `cache_keys` | pattern such as `k*`; all if there is none | the same | texts |
//!
//! An answer is its JSON where it is JSON, else its text. A status from 300 on is an error that names it,
//! but for `request`.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;

use air_core::value::Value;

use super::Outcome;
use super::arguments::Arguments;
use super::bounded_json::{excerpt, write_json};
use super::failure::Failure;
use crate::aleph::trigger::body::{Body, bytes_of, value_of};
use crate::limits::{MAX_API_PATH_BYTES, MAX_CACHE_KEY_BYTES};
use crate::program::Run;
use crate::program::api::{ApiAnswer, ApiRequest};

/// What becomes of the answer.
#[derive(Clone, Copy)]
enum Use {
    /// Its status and its bytes.
    Raw,
    /// JSON or text.
    Whole,
    /// Bytes, or nothing with status 404.
    Cached,
    /// Nothing.
    Stored,
    /// Whether the number in it is not 0.
    Deleted,
}

/// Starts a call; `None` if there is no such function.
pub(super) fn call(
    run: &Rc<Run>,
    function: &str,
    arguments: &[Value],
    limit: usize,
) -> Option<Result<impl Future<Output = Outcome> + 'static, Failure>> {
    let asked = match function {
        "request" => any(arguments, limit),
        "get" => get(arguments),
        "properties" => Ok((request("GET", "/properties".into()), Use::Whole)),
        "sign" => sign(arguments, limit),
        "cache_get" => key(arguments).map(|path| (request("GET", path), Use::Cached)),
        "cache_put" => cache_put(arguments, limit),
        "cache_delete" => key(arguments).map(|path| (request("DELETE", path), Use::Deleted)),
        "cache_keys" => cache_keys(arguments),
        _ => return None,
    };
    Some(asked.and_then(|(request, purpose)| {
        let api = run
            .api()
            .ok_or_else(|| Failure::Message("this node has no way to the network's API".into()))?;
        let answer = api.request(run.program(), request);
        Ok(async move {
            let answer = answer.await;
            let answer = answer.map_err(|error| Failure::Message(format!("{error}")))?;
            understand(&answer, purpose)
        })
    }))
}

fn request(method: &'static str, path: String) -> ApiRequest {
    ApiRequest { method, path, body: Vec::new() }
}

fn any(arguments: &[Value], limit: usize) -> Result<(ApiRequest, Use), Failure> {
    let mut arguments = Arguments::new(arguments);
    let method: &Arc<str> = arguments.next("method")?;
    let known = ["GET", "POST", "PUT", "DELETE"].into_iter().find(|known| **known == **method);
    let method =
        known.ok_or_else(|| Failure::Message(format!("{} is not a method", excerpt(method))))?;
    let path = path(arguments.next("path")?)?;
    let body = match arguments.rest() {
        [content, ..] => content_bytes(content, limit)?,
        [] => Vec::new(),
    };
    Ok((ApiRequest { method, path, body }, Use::Raw))
}

fn path(path: &Arc<str>) -> Result<String, Failure> {
    let is_visible = |byte: u8| byte.is_ascii_graphic();
    if path.len() > MAX_API_PATH_BYTES || !path.starts_with('/') || !path.bytes().all(is_visible) {
        return Err(Failure::Message(format!("{} is not a path", excerpt(path))));
    }
    Ok((&**path).into())
}

fn get(arguments: &[Value]) -> Result<(ApiRequest, Use), Failure> {
    let path = path(Arguments::new(arguments).next("path")?)?;
    Ok((request("GET", path), Use::Whole))
}

fn sign(arguments: &[Value], limit: usize) -> Result<(ApiRequest, Use), Failure> {
    let [message @ Value::Object(_)] = arguments else {
        return Err(Failure::Message("expected a message, which is an object".into()));
    };
    let body = write_json(message, limit)?.into_bytes();
    Ok((ApiRequest { method: "POST", path: "/sign".into(), body }, Use::Whole))
}

/// The path of a key in the cache.
fn key(arguments: &[Value]) -> Result<String, Failure> {
    let key: &Arc<str> = Arguments::new(arguments).next("key")?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if key.is_empty() || key.len() > MAX_CACHE_KEY_BYTES || !key.bytes().all(is_word) {
        return Err(Failure::Message(format!("{} is not a key", excerpt(key))));
    }
    Ok(format!("/cache/{key}"))
}

fn cache_put(arguments: &[Value], limit: usize) -> Result<(ApiRequest, Use), Failure> {
    let path = key(arguments)?;
    let content = arguments.get(1).ok_or_else(|| Failure::Message("expected a content".into()))?;
    let body = content_bytes(content, limit)?;
    Ok((ApiRequest { method: "PUT", path, body }, Use::Stored))
}

fn content_bytes(content: &Value, limit: usize) -> Result<Vec<u8>, Failure> {
    Ok(match content {
        Value::String(text) => text.as_bytes().to_vec(),
        content if content.as_object().is_some_and(|content| content.get("base64").is_some()) => {
            match bytes_of(content) {
                Some(Body::Bytes(bytes)) => bytes,
                _ => write_json(content, limit)?.into_bytes(),
            }
        }
        content => write_json(content, limit)?.into_bytes(),
    })
}

fn cache_keys(arguments: &[Value]) -> Result<(ApiRequest, Use), Failure> {
    let pattern: Option<&Arc<str>> = Arguments::new(arguments).next_option("pattern")?;
    let pattern = pattern.map_or("*", |pattern| pattern);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_*[]-".contains(&byte);
    if pattern.len() > MAX_CACHE_KEY_BYTES || !pattern.bytes().all(is_allowed) {
        return Err(Failure::Message(format!("{} is not a pattern", excerpt(pattern))));
    }
    Ok((request("GET", format!("/cache/?pattern={pattern}")), Use::Whole))
}

fn understand(answer: &ApiAnswer, purpose: Use) -> Outcome {
    let ApiAnswer { status, body } = answer;
    match (status, purpose) {
        (_, Use::Raw) => {
            let members = alloc::vec![
                (Arc::from("status"), u32::from(*status).into()),
                (Arc::from("body"), value_of(body)),
            ];
            return Ok(Some(Value::object(members)?));
        }
        (404, Use::Cached) => return Ok(Some(Value::Null)),
        (200..300, _) => {}
        _ => {
            let text = excerpt(&String::from_utf8_lossy(body));
            return Err(Failure::Message(format!("status {status}: {text}")));
        }
    }
    let text = core::str::from_utf8(body).ok();
    Ok(match purpose {
        Use::Raw | Use::Whole => {
            Some(text.and_then(|text| Value::parse(text).ok()).unwrap_or_else(|| value_of(body)))
        }
        Use::Cached => Some(value_of(body)),
        Use::Stored => None,
        Use::Deleted => Some(text.is_some_and(|text| text.trim() != "0").into()),
    })
}
