//! Messages over HTTP: publish and read back, as with the network's nodes.
//!
//! | request | answer |
//! |---|---|
//! | `POST /message`: a message as its author publishes it | 200: it was taken, with the programs that run for it |
//! | `POST /api/v0/messages`: `{"sync": …, "message": {…}}`, as the network's clients publish | the same |
//! | `GET /api/v0/messages/HASH` | 200: a message that was posted and taken; 404: it was not, or is forgotten by now |
//! | `GET /api/v0/messages/HASH/status` | the same without the message |
//! | `GET /api/v0/messages.json?hashes=…` | 200: a page of those that were posted and taken, with the filters of the network's nodes |
//!
//! A refusal is status 422 and JSON that says which field is wrong and why; 400: the body is not JSON; 413: it
//! is too long; 503: a queue is full; 502: the message node was needed and could not be asked.

use alloc::rc::Rc;
use alloc::string::String;

use air_core::value::Value;
use netstack::http::{BodyError, Failure, Head, RequestBody, Response};

use super::page::Filter;
use super::{Refused, Subscriber, answer};
use crate::aleph::message::Message;
use crate::limits::RETRY_AFTER_SECONDS;

const MESSAGE: &str = "/message";
const MESSAGES: &str = "/api/v0/messages";
const PAGE: &str = "/api/v0/messages.json";

/// Answers requests about messages.
#[derive(Clone, Debug)]
pub struct Messages {
    subscriber: Rc<Subscriber>,
}

impl Messages {
    /// The HTTP side of `subscriber`.
    #[must_use]
    pub fn new(subscriber: Rc<Subscriber>) -> Self {
        Self { subscriber }
    }

    /// Whether a path is one of those above.
    #[must_use]
    pub fn is_theirs(path: &str) -> bool {
        let behind = path.strip_prefix(MESSAGES);
        path == MESSAGE
            || behind
                .is_some_and(|rest| rest.is_empty() || rest == ".json" || rest.starts_with('/'))
    }

    /// Bytes of the largest request body that is read.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        // Room for what a client puts around the message.
        self.subscriber.message_bytes().saturating_add(1 << 10)
    }

    /// The answer to a request whose path [is theirs](Self::is_theirs).
    ///
    /// # Errors
    /// [`Failure`] when the body cannot be read.
    pub async fn handle(
        &self,
        head: &Head,
        body: &mut impl RequestBody,
    ) -> Result<Response, Failure> {
        match (head.method.as_str(), head.path.as_str()) {
            ("POST", MESSAGE | MESSAGES) => self.publish(head.path == MESSAGES, body).await,
            (_, MESSAGE | MESSAGES) => Ok(Response::method_not_allowed(&["POST"])),
            ("GET" | "HEAD", path) => {
                Ok(self.read(path, head.query.as_deref().unwrap_or_default()))
            }
            _ => Ok(Response::method_not_allowed(&["GET", "HEAD"])),
        }
    }

    async fn publish(
        &self,
        wrapped: bool,
        body: &mut impl RequestBody,
    ) -> Result<Response, Failure> {
        let text = match body.read_to_end(self.body_bytes()).await {
            Ok(bytes) => String::from_utf8(bytes),
            Err(BodyError::TooLarge) => {
                return Ok(Response::json(413, answer::problem("the message is too long")));
            }
            Err(error) => return Err(error.into()),
        };
        let document = text.ok().and_then(|text| Value::parse(&text).ok());
        let Some(document) = document else {
            return Ok(Response::json(400, answer::problem("the body is not JSON")));
        };
        let inner = document.as_object().filter(|_| wrapped).and_then(|body| body.get("message"));
        let message = Message::from_published(inner.unwrap_or(&document));
        let taken = match message {
            Ok(message) => {
                let hash = message.item_hash().clone();
                self.subscriber.take_posted(message).await.map(|taken| answer::taken(&hash, &taken))
            }
            Err(refusals) => {
                self.subscriber.counts.refused.add(1);
                Err(Refused::Malformed(refusals))
            }
        };
        Ok(match taken {
            Ok(json) => Response::json(200, json),
            Err(refused) => {
                let mut response = Response::json(refused.status(), answer::refused(&refused));
                if refused == Refused::Busy {
                    // A number is a valid value.
                    let _ = response.add_header("Retry-After", RETRY_AFTER_SECONDS);
                }
                response
            }
        })
    }

    fn read(&self, path: &str, query: &str) -> Response {
        if path == PAGE {
            return match Filter::parse(query) {
                Ok(filter) => Response::json(200, self.subscriber.accepted.borrow().page(&filter)),
                Err(bad) => {
                    let words = alloc::format!("the parameter `{}` is not understood", bad.0);
                    Response::json(422, answer::problem(&words))
                }
            };
        }
        let name =
            path.strip_prefix(MESSAGES).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
        let (name, status_only) = match name.strip_suffix("/status") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let Ok(hash) = name.parse() else {
            return Response::json(404, answer::problem("that is no item hash"));
        };
        match self.subscriber.accepted.borrow().get(&hash) {
            None => Response::json(404, answer::problem("no such message was posted here lately")),
            Some(_) if status_only => Response::json(200, answer::status(&hash)),
            Some(json) => Response::json(200, answer::message(&hash, &json)),
        }
    }
}
