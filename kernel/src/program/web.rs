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
//! A request's body is read whole, up to `programs.max_body_bytes` and within what all bodies may take.
//! One that fits a value is in the scope; a larger one is a file of the run, which the scope names. A reply
//! whose body is a file is sent from there piece by piece, without a copy.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use futures_util::stream;
use netstack::http::{self, BodyError, BodyStream, Head, RequestBody, Response};

use super::limits::{BODY_PIECE_BYTES, INLINE_BODY_PART};
use super::{FileAnswer, Hosted, Programs, Trigger};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::trigger::http::{Request, scope};
use crate::aleph::trigger::{Answer, Failure, route};

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
        let node = self.node();
        let most = usize::try_from(node.config().programs.max_body_bytes).unwrap_or(usize::MAX);
        let length = body.remaining().and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > most) {
            return Ok(too_large());
        }
        let Some(permit) = node.body_permit(length.unwrap_or(most)) else {
            return Ok(plain_response(Failure::Busy.answer()));
        };
        let bytes = match body.read_to_end(most).await {
            Ok(bytes) => bytes,
            Err(BodyError::TooLarge) => return Ok(too_large()),
            Err(error) => return Err(error.into()),
        };
        let inline = node.allowance().call_result / INLINE_BODY_PART;
        let (inside, apart) = match bytes.len() <= inline {
            true => (bytes, None),
            false => (Vec::new(), Some(Arc::from(bytes))),
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
        let reply = hosted.run(Trigger::Http { scope, body: apart }).await;
        drop(permit);
        let answer = reply.and_then(|reply| reply.http_answer());
        Ok(match answer {
            Ok(answer) => response(answer),
            Err(failure) => plain_response(failure.answer()),
        })
    }
}

fn too_large() -> Response {
    Response::text(413, "the body is too large\n")
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
