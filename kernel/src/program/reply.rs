//! What a run gave, and the HTTP answer that it stands for.
//!
//! Where a body stands in a reply, `{"file": "/path"}` stands for the bytes of that file of the run.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use air_core::value::{Object, Value};

use super::run::Run;
use crate::aleph::item_hash::ItemHash;
use crate::aleph::trigger::reply::{plain_answer, with_network_treatment};
use crate::aleph::trigger::{Answer, BadReply, Failure};
use crate::service::write_json_excerpt;

/// The member that names a file.
const FILE: &str = "file";
const CONTENT_TYPE: &str = "content-type";

/// What a run gave.
pub struct Reply {
    program: ItemHash,
    code: Option<ItemHash>,
    value: Option<Value>,
    run: Rc<Run>,
    data: Option<Vec<u8>>,
}

/// An answer whose body may be a file, which then is in no second place in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAnswer {
    /// The answer; without a body if `file` has it.
    pub answer: Answer,
    /// The body.
    pub file: Option<Arc<[u8]>>,
}

impl Reply {
    pub(super) fn new(
        program: ItemHash,
        code: Option<ItemHash>,
        value: Option<Value>,
        run: Rc<Run>,
        data: Option<Vec<u8>>,
    ) -> Self {
        Self { program, code, value, run, data }
    }

    /// What the script gave to `callbackSrv.response`; nothing if it ended without.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        self.value.as_ref()
    }

    /// The particle's data at the end of a reproducible run.
    #[must_use]
    pub fn data(&self) -> Option<&[u8]> {
        self.data.as_deref()
    }

    /// The answer as the program means it: for a host that treats it further.
    ///
    /// # Errors
    /// [`Failure::Silent`] and [`Failure::Reply`].
    pub fn answer(&self) -> Result<Answer, Failure> {
        let FileAnswer { mut answer, file } = self.plain()?;
        if let Some(file) = file {
            answer.body = file.to_vec();
        }
        Ok(answer)
    }

    /// The answer as clients of the network's nodes see it
    /// (see [`trigger::reply`](crate::aleph::trigger::reply)).
    ///
    /// # Errors
    /// [`Failure::Silent`] and [`Failure::Reply`].
    pub fn http_answer(&self) -> Result<FileAnswer, Failure> {
        let FileAnswer { mut answer, mut file } = self.plain()?;
        if answer.status == 404
            && let Some(file) = file.take()
        {
            answer.body = file.to_vec();
        }
        let answer = with_network_treatment(answer, &self.program, self.code.as_ref());
        Ok(FileAnswer { answer: answer.map_err(Failure::Reply)?, file })
    }

    fn plain(&self) -> Result<FileAnswer, Failure> {
        let value = self.value.as_ref().ok_or(Failure::Silent)?;
        let Some((value, path)) = without_file(value) else {
            let answer = plain_answer(value).map_err(Failure::Reply)?;
            return Ok(FileAnswer { answer, file: None });
        };
        let bytes = self.run.files().borrow().read(&path);
        let bytes = bytes.map_err(|_| Failure::Reply(BadReply::Body))?;
        let mut answer = plain_answer(&value).map_err(Failure::Reply)?;
        answer.body.clear();
        if answer.headers.iter().all(|(name, _)| name != CONTENT_TYPE) {
            answer.headers.push((CONTENT_TYPE.into(), "application/octet-stream".into()));
        }
        Ok(FileAnswer { answer, file: Some(bytes) })
    }
}

/// The path in `{"file": "/path"}`.
fn file_of(value: &Value) -> Option<String> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get(FILE)?.as_str().map(ToString::to_string)
}

fn replaced(members: &Object, name: &str, with: Value) -> Value {
    let others = members.iter().filter(|(known, _)| &**known != name).cloned();
    Value::object(others.chain([(name.into(), with)]).collect()).unwrap_or_default()
}

/// The reply without its body, and the path of the file that the body is; nothing if it is no file.
fn without_file(value: &Value) -> Option<(Value, String)> {
    let members = value.as_object()?;
    if let Some(path) = file_of(value) {
        let status = alloc::vec![(Arc::from("status"), Value::from(200_i64))];
        return Some((Value::object(status).unwrap_or_default(), path));
    }
    let body = members.get("body")?;
    if let Some(path) = file_of(body) {
        return Some((replaced(members, "body", Value::Null), path));
    }
    // The form of the host protocol.
    let inner = body.as_object()?;
    let path = file_of(inner.get("body")?)?;
    Some((replaced(members, "body", replaced(inner, "body", Value::Null)), path))
}

/// What clients see of an error that the script gave to `errorHandlingSrv.error`.
pub(super) fn error_text(error: &Value) -> String {
    let field = |name| error.as_object().and_then(|members| members.get(name));
    let Some(message) = field("message").and_then(Value::as_str) else {
        return write_json_excerpt(error);
    };
    let instruction = field("instruction").and_then(Value::as_str).filter(|text| !text.is_empty());
    match instruction {
        Some(instruction) => format!("{message}\n  in {instruction}"),
        None => message.to_string(),
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("value", &self.value).finish_non_exhaustive()
    }
}
