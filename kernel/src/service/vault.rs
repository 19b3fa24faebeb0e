//! `vault`: the files of a program's run, by their paths.
//!
//! | function | arguments | gives |
//! |---|---|---|
//! | `get` | path, and what to give if there is no such file | a text, or `{"base64": "…"}` where the file is none |
//! | `cat` | path | the text, as the reference's vault does |
//! | `put` | path, content | the path |
//! | `put` | content | the path of a new file in `/tmp/vault` |
//! | `list` | directory; the top one if there is none | sorted paths of the files in it and below |
//! | `delete` | path | whether it was there |
//!
//! A content is a text, `{"base64": "…"}`, or any other value for its JSON. Scripts that no program runs have
//! no vault.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::Outcome;
use super::arguments::Arguments;
use super::bounded_json::{excerpt, write_json};
use super::failure::Failure;
use crate::aleph::trigger::body::{Body, bytes_of, value_of};
use crate::limits::MAX_LISTED_FILES;
use crate::program::Run;
use crate::program::files::FileError;

/// Where files are that have no name of their own.
const NAMELESS: &str = "/tmp/vault";

pub(super) fn call(
    run: &Rc<Run>,
    function: &str,
    arguments: &[Value],
    limit: usize,
) -> Option<Outcome> {
    Some(match function {
        "get" => get(run, arguments),
        "cat" => cat(run, arguments),
        "put" => put(run, arguments, limit),
        "list" => list(run, arguments),
        "delete" => delete(run, arguments),
        _ => return None,
    })
}

fn failure(path: &str, error: &FileError) -> Failure {
    Failure::Message(format!("{}: {error}", excerpt(path)))
}

fn get(run: &Run, arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let path: &Arc<str> = arguments.next("path")?;
    match (run.files().borrow().read(path), arguments.rest()) {
        (Ok(bytes), _) => Ok(Some(value_of(&bytes))),
        (Err(FileError::NotThere), [default, ..]) => Ok(Some(default.clone())),
        (Err(error), _) => Err(failure(path, &error)),
    }
}

fn cat(run: &Run, arguments: &[Value]) -> Outcome {
    let path: &Arc<str> = Arguments::new(arguments).next("path")?;
    let bytes = run.files().borrow().read(path);
    let text = bytes.as_ref().ok().and_then(|bytes| core::str::from_utf8(bytes).ok());
    match text {
        Some(text) => Ok(Some(text.into())),
        None => Err(Failure::error(
            &format!("Error reading vault file `{path}`"),
            &format!("{bytes:.0?}"),
        )),
    }
}

fn put(run: &Run, arguments: &[Value], limit: usize) -> Outcome {
    let (path, content) = match arguments {
        [content] => {
            let path = format!("{NAMELESS}/{}", run.next_file_number());
            (Arc::from(path.as_str()), content)
        }
        [Value::String(path), content] => (path.clone(), content),
        _ => return Err(Failure::Message("expected a path and a content".into())),
    };
    let bytes = content_bytes(content, limit)?;
    if run.is_over() {
        return Err(Failure::Message("the run is over".into()));
    }
    // Until the old version is given up both are held.
    if !run.weigh(bytes.len()) {
        return Err(Failure::Message("the program has no memory left for the file".into()));
    }
    let written = run.files().borrow_mut().write(&path, bytes);
    run.weigh(0);
    written.map_err(|error| failure(&path, &error))?;
    Ok(Some(Value::String(path)))
}

/// The bytes that a value stands for; of JSON no more than `limit`.
fn content_bytes(content: &Value, limit: usize) -> Result<Vec<u8>, Failure> {
    let is_plain = matches!(content, Value::Null | Value::String(_))
        || content.as_object().is_some_and(|members| members.get("base64").is_some());
    if !is_plain {
        // A value may share its parts, so that its text is beyond any memory.
        return Ok(write_json(content, limit).map(String::into_bytes)?);
    }
    match bytes_of(content) {
        Some(Body::Text(bytes) | Body::Bytes(bytes)) => Ok(bytes),
        Some(Body::Json(_)) => Ok(write_json(content, limit).map(String::into_bytes)?),
        None => Err(Failure::Message("the content is not base64, as it says".into())),
    }
}

fn list(run: &Run, arguments: &[Value]) -> Outcome {
    let directory: Option<&Arc<str>> = Arguments::new(arguments).next_option("directory")?;
    let directory = directory.map_or("/", |directory| directory);
    let paths = run.files().borrow().list(directory, MAX_LISTED_FILES);
    let paths = paths.map_err(|error| failure(directory, &error))?;
    Ok(Some(Value::array(paths.iter().map(|path| path.as_str().into()).collect())?))
}

fn delete(run: &Run, arguments: &[Value]) -> Outcome {
    let path: &Arc<str> = Arguments::new(arguments).next("path")?;
    if run.is_over() {
        return Err(Failure::Message("the run is over".into()));
    }
    let deleted = run.files().borrow_mut().delete(path);
    run.weigh(0);
    deleted.map(|deleted| Some(deleted.into())).map_err(|error| failure(path, &error))
}
