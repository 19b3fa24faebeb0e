//! The node's HTTP side: which request is answered by what.
//!
//! | request | answer |
//! |---|---|
//! | `POST /air?name=value` with a script | 200 and what it gave to `callbackSrv.response`; 204 if nothing |
//! | `GET /health` | 200, a JSON object |
//! | `GET /particles` | 200, a JSON array |
//! | `GET /programs` | 200, a JSON array |
//! | `GET /metrics` | 200, Prometheus text |
//! | `POST /message`, `/api/v0/messages…` | see [`crate::subscribe`] |
//! | what is for a program | what its run gives (see [`crate::program`]) |
//!
//! Errors of `POST /air` are a JSON object `{"error":{…}}`: 400 for a script or a query that does not
//! parse, 413 and 415 for a body that cannot be a script, 422 for an error at run time, 503 when there
//! are too many particles, 504 when no answer came in time.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;

use netstack::http::{BodyError, Failure, Handler, Head, RequestBody, Response};

use super::{Node, Problem, Success, parse_query};
use crate::limits::RETRY_AFTER_SECONDS;
use crate::metrics::{CONTENT_TYPE, Exposition};
use crate::program::Programs;
use crate::service::write_json;
use crate::subscribe::Messages;
use crate::triggers::Triggers;

/// Media types that are surely no script; the rest is taken, because tools send all sorts of types.
const NO_SCRIPT: [&str; 3] =
    ["multipart/form-data", "application/json", "application/octet-stream"];

/// Answers requests for a node.
#[derive(Clone, Debug)]
pub struct Web {
    node: Rc<Node>,
    programs: Programs,
    triggers: Option<Triggers>,
}

impl Web {
    /// The HTTP side of the node of these programs.
    #[must_use]
    pub fn new(programs: Programs) -> Self {
        Self { node: programs.node().clone(), programs, triggers: None }
    }

    /// The same, with what else starts the programs.
    #[must_use]
    pub fn with_triggers(mut self, triggers: Triggers) -> Self {
        self.triggers = Some(triggers);
        self
    }

    /// The answer to a request about messages.
    async fn about_messages(
        &self,
        messages: &Messages,
        head: &Head,
        body: &mut impl RequestBody,
    ) -> Result<Response, Failure> {
        let most = messages.body_bytes();
        let length = body.remaining().and_then(|length| usize::try_from(length).ok());
        let Some(_permit) = self.node.body_permit(length.unwrap_or(most).min(most)) else {
            return Ok(problem(&Problem::overloaded()));
        };
        messages.handle(head, body).await
    }

    fn metrics_page(&self) -> String {
        let mut page = Exposition::default();
        if let Some(triggers) = &self.triggers {
            triggers.write_metrics(&mut page);
        }
        self.programs.metrics_page() + &page.finish()
    }

    async fn run(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        let response = match self.try_run(head, body).await? {
            Ok(Success::Response(value)) => {
                let limit = self.node.allowance().call_result;
                // The value was a call's arguments, so it may share its parts beyond any memory.
                match write_json(&value, limit) {
                    Ok(json) => Response::json(200, json),
                    Err(_) => problem(&Problem::response_too_long(limit)),
                }
            }
            Ok(Success::Silent) => Response::new(204),
            Err(error) => problem(&error),
        };
        Ok(response)
    }

    async fn try_run(
        &self,
        head: &Head,
        body: &mut impl RequestBody,
    ) -> Result<Result<Success, Problem>, Failure> {
        let media_type = head.headers.get("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if NO_SCRIPT.iter().any(|no_script| media_type.eq_ignore_ascii_case(no_script)) {
            return Ok(Err(Problem::unsupported_type()));
        }
        let data = match head.query.as_deref().map_or(Ok(BTreeMap::new()), parse_query) {
            Ok(data) => data,
            Err(error) => return Ok(Err(Problem::query(&error))),
        };
        let limit = self.node.allowance().script;
        let length = body.remaining().and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > limit) {
            return Ok(Err(Problem::script_too_long(limit)));
        }
        let Some(_permit) = self.node.body_permit(length.unwrap_or(limit)) else {
            return Ok(Err(Problem::overloaded()));
        };
        let text = match body.read_to_end(limit).await {
            Ok(bytes) => String::from_utf8(bytes),
            Err(BodyError::TooLarge) => return Ok(Err(Problem::script_too_long(limit))),
            Err(error) => return Err(error.into()),
        };
        let Ok(text) = text else {
            return Ok(Err(Problem::bad_request("the script is not UTF-8")));
        };
        Ok(self.node.run_script(&text, data).await)
    }
}

impl Handler for Web {
    async fn handle(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        if let Some(target) = self.programs.named(head) {
            return self.programs.answer(target, head, body).await;
        }
        if let Some(messages) = self
            .triggers
            .as_ref()
            .and_then(Triggers::messages)
            .filter(|_| Messages::is_theirs(&head.path))
        {
            return self.about_messages(&messages, head, body).await;
        }
        match (head.method.as_str(), head.path.as_str()) {
            ("POST", "/air") => self.run(head, body).await,
            ("GET" | "HEAD", "/health") => Ok(Response::json(200, self.node.health().to_json())),
            ("GET" | "HEAD", "/particles") => Ok(Response::json(200, self.node.particles_json())),
            ("GET" | "HEAD", "/programs") => Ok(Response::json(200, self.programs.to_json())),
            ("GET" | "HEAD", "/metrics") => {
                Ok(Response::with_body(200, CONTENT_TYPE, self.metrics_page()))
            }
            (_, "/air") => Ok(Response::method_not_allowed(&["POST"])),
            (_, "/health" | "/metrics" | "/particles" | "/programs") => {
                Ok(Response::method_not_allowed(&["GET", "HEAD"]))
            }
            _ => match self.programs.at_root(head) {
                Some(target) => self.programs.answer(target, head, body).await,
                None => {
                    let known = "there is /air, /health, /particles, /programs and /metrics\n";
                    Ok(Response::text(404, known))
                }
            },
        }
    }

    fn answered(&self, status: u16) {
        self.node.metrics().response(status);
    }

    fn unix_seconds(&self) -> Option<u64> {
        match self.node.unix_time_ms() {
            0 => None,
            milliseconds => Some(milliseconds / 1000),
        }
    }
}

fn problem(problem: &Problem) -> Response {
    let mut response = Response::json(problem.status(), problem.to_json());
    if problem.status() == 503 {
        // A number is a valid value.
        let _ = response.add_header("Retry-After", RETRY_AFTER_SECONDS);
    }
    response
}
