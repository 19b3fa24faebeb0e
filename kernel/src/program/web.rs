//! Programs over HTTP: which one a request is for, and from its run to the answer.
//!
//! | request | program |
//! |---|---|
//! | `/vm/HASH/PATH` | the one of this item hash |
//! | any path, `Host: LABEL.…` | the one whose hash in base32 is the label |
//! | any path that the node does not answer itself | `programs.root`, else the only one that answers HTTP |
//!
//! # Sizes
//!
//! A request's body has up to `programs.max_body_bytes`, within what all bodies may take. One of up to
//! [`MAX_INLINE_BODY_BYTES`](super::limits::MAX_INLINE_BODY_BYTES) is in the scope; a larger one arrives piece by
//! piece in a file of the run, which the scope names: see [`super::upload`]. Which of both does not depend on
//! how the client frames the body. A reply whose body is a file is sent from there piece by piece, without
//! a copy.
//!
//! Whether there is such a program (404), whether the body is too large (413) and whether there is room
//! for it (503) is said before it is read, as far as its length is known.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use futures_util::stream;
use netstack::http::{self, BodyError, BodyStream, Head, RequestBody, Response};

use super::limits::BODY_PIECE_BYTES;
use super::upload::{Admission, UploadError, Uploaded};
use super::{FileAnswer, Hosted, Programs, Trigger};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::trigger::http::{Request, scope};
use crate::aleph::trigger::{Answer, Failure, route};
use crate::node::BodyPermit;

/// A program, and the path of the request that is for it.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    hosted: Option<Rc<Hosted>>,
    path: &'a str,
}

impl Programs {
    /// The program that a request names by its path or its host.
    pub(crate) fn named<'a>(&self, head: &'a Head) -> Option<Target<'a>> {
        let found = route(&head.path, head.headers.get("host"))?;
        let by_host = found.path.len() == head.path.len();
        let hosted = self.get(&found.program);
        // A host that looks like a program and is none may be the name of this node.
        (hosted.is_some() || !by_host).then_some(Target { hosted, path: found.path })
    }

    /// The program that answers requests which name none.
    pub(crate) fn at_root<'a>(&self, head: &'a Head) -> Option<Target<'a>> {
        let path = head.path.as_str();
        let root = &self.node().config().programs.root;
        let hosted = match root.parse::<ItemHash>() {
            Ok(root) => self.get(&root),
            Err(_) => {
                let all = self.list();
                let mut web = all.into_iter().filter(|hosted| hosted.program().triggers.http);
                web.next().filter(|_| web.next().is_none())
            }
        }?;
        path.starts_with('/').then_some(Target { hosted: Some(hosted), path })
    }

    /// Runs a program for a request.
    pub(crate) async fn answer(
        &self,
        target: Target<'_>,
        head: &Head,
        body: &mut impl RequestBody,
    ) -> Result<Response, http::Failure> {
        let Some(hosted) = target.hosted.filter(|hosted| hosted.program().triggers.http) else {
            return Ok(plain_response(Failure::NoProgram.answer()));
        };
        let received = match self.receive(&hosted, body).await {
            Ok(received) => received,
            Err(UploadError::TooLarge | UploadError::Body(BodyError::TooLarge)) => {
                return Ok(Response::text(413, "the body is too large\n"));
            }
            Err(UploadError::Busy) => return Ok(plain_response(Failure::Busy.answer())),
            Err(UploadError::Body(error)) => return Err(error.into()),
        };
        let Received { bytes, admission, permit } = received;
        let (inside, apart) = match bytes {
            Bytes::Small(bytes) => (bytes, None),
            Bytes::File(file) if file.len() <= self.inline_body_bytes() => (file.to_vec(), None),
            Bytes::File(file) => (Vec::new(), Some(file)),
        };
        let query = head.query.as_deref().unwrap_or_default();
        let request = Request { method: &head.method, path: target.path, query, body: &inside };
        let scope = match scope(&request, head.headers.iter()) {
            Ok(scope) => scope,
            Err(bad) => {
                return Ok(Response::text(bad.status(), alloc::format!("{bad}\n")));
            }
        };
        drop(inside);
        let trigger = Trigger::Http { scope, body: apart };
        let reply = hosted.run_admitted(trigger, admission).await;
        drop(permit);
        let answer = reply.and_then(|reply| reply.http_answer());
        Ok(match answer {
            Ok(answer) => response(answer),
            Err(failure) => plain_response(failure.answer()),
        })
    }

    /// Reads a body, once there is room for it.
    async fn receive(
        &self,
        hosted: &Hosted,
        body: &mut impl RequestBody,
    ) -> Result<Received, UploadError> {
        let node = self.node();
        let most = usize::try_from(node.config().programs.max_body_bytes).unwrap_or(usize::MAX);
        let length = body.remaining().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if length.is_some_and(|length| length > most) {
            return Err(UploadError::TooLarge);
        }
        if let Some(length) = length.filter(|length| *length <= self.inline_body_bytes()) {
            let permit = node.body_permit(length).ok_or(UploadError::Busy)?;
            let bytes = body.read_to_end(length).await.map_err(UploadError::Body)?;
            return Ok(Received { bytes: Bytes::Small(bytes), admission: None, permit });
        }
        let upload = hosted.admit(node, length, most)?;
        let Uploaded { file, admission, permit } = upload.receive(body).await?;
        Ok(Received { bytes: Bytes::File(file), admission: Some(admission), permit })
    }
}

/// A body that is there, with what its run has before it begins.
struct Received {
    bytes: Bytes,
    admission: Option<Admission>,
    permit: BodyPermit,
}

enum Bytes {
    Small(Vec<u8>),
    File(Arc<[u8]>),
}

fn plain_response(answer: Answer) -> Response {
    response(FileAnswer { answer, file: None })
}

fn response(answer: FileAnswer) -> Response {
    let FileAnswer { answer: Answer { status, headers, body }, file } = answer;
    let mut response = match file {
        Some(file) => {
            let length = u64::try_from(file.len()).ok();
            Response::new(status).with_stream(pieces(file), length)
        }
        None => Response::new(status).with_bytes(body),
    };
    for (name, value) in headers {
        // What is refused is the connection's to say, not the program's.
        let _ = response.add_header(name, &value);
    }
    response
}

/// The file, piece by piece.
fn pieces(file: Arc<[u8]>) -> BodyStream {
    let piece = move |at: usize| {
        let end = at.saturating_add(BODY_PIECE_BYTES).min(file.len());
        let piece = file.get(at..end).filter(|piece| !piece.is_empty())?.to_vec();
        Some((Ok(piece), end))
    };
    Box::pin(stream::unfold(0, move |at| core::future::ready(piece(at))))
}

/// The label under which hosts name a program, for the log.
pub(super) fn shown_path(hosted: &Hosted) -> String {
    alloc::format!("/vm/{}/", hosted.definition().id())
}
