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
//! | `size` | path | how many bytes it has |
//! | `sha256` | path | their digest in hexadecimal |
//! | `fill` | path, content, number of bytes | the path, of a file that is the content over and over |
//!
//! A content is a text, `{"base64": "…"}`, or any other value for its JSON. Scripts that no program runs have
//! no vault.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;
use sha2::{Digest, Sha256};

use super::Outcome;
use super::arguments::Arguments;
use super::bounded_json::{excerpt, write_json};
use super::failure::Failure;
use crate::aleph::item_hash::lower_hex;
use crate::aleph::trigger::body::{Body, bytes_of, value_of};
use crate::limits::MAX_LISTED_FILES;
use crate::node::{shared, zeroed};
use crate::program::Run;
use crate::program::files::FileError;

const NO_MEMORY: &str = "the program has no memory left for the file";

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
        "size" => size(run, arguments),
        "sha256" => sha256(run, arguments),
        "fill" => fill(run, arguments, limit),
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
    write(run, path, bytes.len(), || shared(&bytes))
}

/// Writes a file of so many bytes, which are made when there is room for them, if there is memory.
fn write(
    run: &Run,
    path: Arc<str>,
    length: usize,
    bytes: impl FnOnce() -> Option<Arc<[u8]>>,
) -> Outcome {
    if run.is_over() {
        return Err(Failure::Message("the run is over".into()));
    }
    // Until the old version is given up both are held.
    let bytes = if run.weigh(length) { bytes() } else { None };
    let bytes = bytes.ok_or_else(|| Failure::Message(NO_MEMORY.into()));
    let written = bytes.map(|bytes| run.files().borrow_mut().write(&path, bytes));
    run.weigh(0);
    let written = written?;
    written.map_err(|error| failure(&path, &error))?;
    Ok(Some(Value::String(path)))
}

fn size(run: &Run, arguments: &[Value]) -> Outcome {
    let path: &Arc<str> = Arguments::new(arguments).next("path")?;
    let bytes = run.files().borrow().read(path).map_err(|error| failure(path, &error))?;
    Ok(Some((bytes.len() as u64).into()))
}

fn sha256(run: &Run, arguments: &[Value]) -> Outcome {
    let path: &Arc<str> = Arguments::new(arguments).next("path")?;
    let bytes = run.files().borrow().read(path).map_err(|error| failure(path, &error))?;
    Ok(Some(Value::string(lower_hex(&Sha256::digest(&*bytes)))))
}

fn fill(run: &Run, arguments: &[Value], limit: usize) -> Outcome {
    let [Value::String(path), content, Value::Number(length)] = arguments else {
        return Err(Failure::Message("expected a path, a content and a number of bytes".into()));
    };
    let length = length.as_u64().and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| Failure::Message("that is no number of bytes".into()))?;
    let pattern = content_bytes(content, limit)?;
    if pattern.is_empty() && length > 0 {
        return Err(Failure::Message("nothing fills no file, however often".into()));
    }
    write(run, path.clone(), length, || {
        let mut file = zeroed(length)?;
        let place = Arc::get_mut(&mut file)?;
        let mut filled = pattern.len().min(length);
        place.get_mut(..filled)?.copy_from_slice(pattern.get(..filled)?);
        while filled < length {
            // What is there is the content a whole number of times.
            let more = filled.min(length - filled);
            place.copy_within(..more, filled);
            filled += more;
        }
        Some(file)
    })
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
